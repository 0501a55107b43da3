"""Tables of results in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.errors import visible_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sim.runs.pk import PK
    from sim.runs.result import Result


def console(*, prose: bool = False) -> Console:
    """Return a console that cuts no cell of a table; prose wraps at the width of a terminal."""
    from rich.console import Console
    from rich.text import Text

    class Visible(Console):
        """A console that escapes control characters: of names, not its own."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible_lines(text), **options)

    console = Visible(highlight=False, markup=False, soft_wrap=not prose)
    if not prose or not console.is_terminal:
        console.width = 10_000  # a terminal wraps lines that are too long for it
    return console


def print_summary(result: Result) -> None:
    """Print the read-outs at the end of a run, and its folder."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for name, value in result.summary.items():
        table.add_row(name, f"{value:d}" if isinstance(value, int) else digits(value))
    table.add_row("folder", str(result.folder), style="bold")
    console().print(table)


def print_parts(parts: list[RenderableType]) -> None:
    """Print lines and tables, an empty line before each table."""
    page = console()
    for part in parts:
        if not isinstance(part, str):
            page.print()
        page.print(part)


def print_pk(results: dict[str, PK], told: list[dict[str, Any]]) -> None:
    """Print where results come from, the calendar of a single one, and the tables of all."""
    from rich.table import Table

    from sim.runs import pk_table

    if len(results) == 1:
        (result,) = results.values()
        listed = f"{len(result.doses)} dose{'' if len(result.doses) == 1 else 's'} listed"
        lines = [
            f"{result.drugs}, {result.drug.species}, kp_uu {result.drug.kp_uu:g}",
            str(result.provenance),
            str(result.regimen) if result.regimen else listed,
            str(result.half_lives),
        ]
        if result.accumulation is not None:
            lines.append(f"accumulation over the first cycle {result.accumulation:.3g}-fold")
    else:
        lines = []
        for one in told:
            lines += [f"{one['label']}: {pk_table.heading(one)}"]
            lines += [f"  {line}" for line in pk_table.origin(one)]
        lines += [f"warning: {text}" for text in pk_table.warnings_of(told)]
    parts: list[RenderableType] = ["\n".join(lines)]
    for titles, rows in pk_table.tables(told):
        table = Table(box=None, pad_edge=False)
        for place, title in enumerate(titles):
            heading = title.replace(": ", ":\n", 1) if len(results) > 1 else title
            table.add_column(heading, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        parts.append(table)
    print_parts([*parts, *pk_table.notes(told)])


def digits(value: float) -> str:
    """Return a number with four significant digits, in plain figures below a million."""
    return f"{float(f'{value:.4g}'):g}"
