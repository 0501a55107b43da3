"""Tables of results in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.errors import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sim.runs.pk import PK
    from sim.runs.result import Result


def console(*, prose: bool = False) -> Console:
    """Return a console that cuts no cell of a table; prose wraps at the width of a terminal."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=not prose)
    if not prose or not console.is_terminal:
        console.width = 10_000  # a terminal wraps lines that are too long for it
    return console


def print_summary(result: Result) -> None:
    """Print the read-outs at the end of a run, and its folder."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for name, value in result.summary.items():
        table.add_row(name, f"{value:d}" if isinstance(value, int) else digits(value))
    table.add_row("folder", visible(str(result.folder)), style="bold")
    console().print(table)


def print_parts(parts: list[RenderableType]) -> None:
    """Print lines and tables, an empty line before each table."""
    page = console()
    for part in parts:
        if not isinstance(part, str):
            page.print()
        page.print(part)


def print_pk(result: PK) -> None:
    """Print the calendar, then exposure and inhibition by window."""
    from rich.table import Table

    from sim.pharmacology.dosing import days_of

    drug, found = result.drug, result.provenance
    table = Table(box=None, pad_edge=False)
    table.add_column("total in plasma, free at the cells", no_wrap=True)
    for name in result.windows:
        table.add_column(name, justify="right", no_wrap=True)
    windows = result.windows.values()
    spans = [(w["start_h"], w["end_h"]) for w in windows]
    days = [days_of(start - result.first_h, end - result.first_h) for start, end in spans]
    table.add_row("days", *(f"{a}" if a == b else f"{a}-{b}" for a, b in days))
    table.add_row("hours", *(f"{round(start, 2):.9g}-{round(end, 2):.9g}" for start, end in spans))
    for key, label in (
        ("cmax_nM", "Cmax, nM"),
        ("tmax_h", "time of Cmax, h"),
        ("auc_nM_h", "AUC, nM h"),
        ("last_nM", "trough, nM"),
        ("cmax_free_nM", "free Cmax, nM"),
        ("last_free_nM", "free trough, nM"),
    ):
        table.add_row(label, *(digits(w[key]) for w in windows))
    for receptor, ic50 in result.potency.ic50_nM.items():
        for key, label in (
            ("mean", "inhibited, mean"),
            ("highest", "highest"),
            ("last", "at end"),
            ("above_ic50", f"time above {ic50:g} nM"),
        ):
            percents = (f"{100 * w['inhibition'][receptor][key]:.0f} %" for w in windows)
            table.add_row(f"{receptor} {label}", *percents)
    listed = f"{len(result.doses)} dose{'' if len(result.doses) == 1 else 's'} listed"
    lines = [
        f"{drug.name}, {drug.species}, kp_uu {drug.kp_uu:g}",
        str(found),
        str(result.regimen) if result.regimen else listed,
        str(result.half_lives),
    ]
    if result.accumulation is not None:
        lines.append(f"accumulation over the first cycle {result.accumulation:.3g}-fold")
    words = {
        "effective_half_life_h": "effective half-life, h",
        "terminal_half_life_h": "terminal half-life, h",
        "cmax_nM": "Cmax, nM",
        "auc_nM_h": "AUC, nM h",
        "last_nM": "at the end, nM",
    }
    spread = [
        f"population {words[name]}: {digits(found['p50'])} "
        f"({digits(found['p5'])}-{digits(found['p95'])}, 5th-95th percentile)"
        for name, found in result.population.items()
        if name in words
    ]
    if result.subjects and found.nothing_varies:
        spread.append("population: spread between subjects is not known, so there are no bands")
    elif result.subjects and (unknown := found.unknown_spread):
        spread.append(f"population: spread of {', '.join(unknown)} is not known; it does not vary")
    print_parts(["\n".join(lines), table, *spread])


def digits(value: float) -> str:
    """Return a number with four significant digits, in plain figures below a million."""
    return f"{float(f'{value:.4g}'):g}"
