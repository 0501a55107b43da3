"""Picture of drugs in bodies: plasma and free concentration, inhibition, doses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from sim.runs.pk import PK
from sim.runs.pk_comparison import PKComparison
from sim.scenario.writing import scenario_hash
from sim.view import canvas, style
from sim.view.run.frame import RECEPTOR_COLOURS

MOST_DOSES = 60
"""Of more than these, only the first and the last cycle are drawn."""
WEEK_H = 168.0
HOURS = 72.0
"""Up to so long, time is in hours."""
ACROSS = 3
"""Results beside each other; more are drawn below."""
_LEAST_IN, _HIGH_IN = 3.2, 4.2
"""How wide a result is at least, and how high, with text of 10 pt."""

Span = tuple[float, float]


def draw_pk(result: PK, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw concentrations (log scale) above, inhibition of each receptor below.

    Lines are the typical subject; the bands hold 90 % of the virtual population. Ticks at the
    bottom mark doses, shading marks days off, dashed lines the IC50s of unbound drug. Of more
    doses than can be told apart, the first and the last cycle are drawn.

    Parameters
    ----------
    result : PK
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_comparison(PKComparison([result]), fig=fig)


@style.house_style()
def draw_comparison(found: PKComparison, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw results of `sim.pk` side by side on one scale, each as `draw_pk` does.

    Parameters
    ----------
    found : PKComparison
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    results = found.results
    several = len(results) > 1
    names = list(dict.fromkeys(name for one in results.values() for name in one.potency.ic50_nM))
    colours = dict(zip(names, cycle(RECEPTOR_COLOURS), strict=False))
    only = next(iter(results.values()))
    title = ", ".join(results) if several else f"{only.drugs}, {only.drug.species}"
    title = f"{title}: {only.provenance.regimen}" if not several else title
    wide = 1.0 + 4.6 * min(ACROSS, len(results)) if several else 9.0
    sheet = canvas.Sheet(fig, wide, title=title, caption=_caption(found))
    across = sheet.across(style.points(_LEAST_IN), min(ACROSS, len(results)))
    down = -(-len(results) // across)
    rows = sheet.body.subfigures(down, 1, squeeze=False)[:, 0]
    limits = _limits(results)
    masses = {one.molar_mass for one in results.values()}
    for row, place in zip(rows, range(0, len(results), across), strict=True):
        chosen = dict(list(results.items())[place : place + across])
        _row(row, chosen, colours, limits, across=across, several=several, own=len(masses) > 1)
    lines = [line for row in rows for ax in row.axes for line in ax.get_lines()]
    handles = {line.get_label(): line for line in lines if line.get_linestyle() != "--"}
    sheet.legend(list(handles.values()))
    column = [ax for row in rows for ax in row.axes if _is_first(ax)]
    return sheet.done(column, (_HIGH_IN if several else 1.1 * _HIGH_IN) * down)


def _is_first(ax: Axes) -> bool:
    """Whether axes are the first of a row of panels."""
    place = ax.get_subplotspec()
    return place is not None and place.is_first_col()


def save_pk(found: PKComparison, path: Path) -> None:
    """Write the picture in the format that the file's suffix names, whole or not at all."""
    canvas.save_picture(draw_comparison(found), path, marks_of(found))


def marks_of(found: PKComparison) -> canvas.Marks:
    """Return what the picture says of itself."""
    results = list(found.results.values())
    title = "; ".join(f"{one.drugs}, {one.drug.species}" for one in results)
    hashes = " ".join(scenario_hash(one.scenario) for one in results)
    seeds = {one.drug.population_seed for one in results if one.subjects}
    return canvas.Marks(title, scenario_hash=hashes, seed=seeds.pop() if len(seeds) == 1 else None)


def _caption(found: PKComparison) -> str:
    """Return what is drawn, where each result comes from, and what to know of them."""
    results = found.results
    chosen = {one.drug.subject for one in results.values()}
    line = "typical subject" if chosen == {None} else "typical or chosen subject"
    drawn = f"line: {line}; dashed: IC50 of unbound drug for the receptor of that colour"
    if many := sorted({one.subjects for one in results.values() if one.subjects and _banded(one)}):
        numbers = " or ".join(f"{number:,}" for number in many)
        drawn += f"; band: 5th to 95th percentile of {numbers} subjects"
    if any(one.regimen and one.regimen.off_days for one in results.values()):
        drawn += "; grey: days off"
    if not all(map(_in_hours, results.values())):
        drawn += "; day 1 begins with the first dose"
    lines = [drawn]
    for label, one in results.items():
        halves, origin = one.half_lives, one.provenance
        words = (
            f"potency set {origin.potency}; pharmacokinetics {origin.pk_set}; "
            f"kp_uu {one.drug.kp_uu:g}; half-life effective {halves.effective_h:.3g} h, "
            f"terminal {halves.terminal_h:.3g} h; scenario {origin.scenario_hash[:12]}"
        )
        words += f"; set: {origin.settings}" if origin.set else ""
        words += f"; subject {one.drug.subject}" if one.drug.subject else ""
        if one.subjects and origin.nothing_varies:
            words += "; spread between subjects not known"
        elif one.subjects and origin.unknown_spread:
            words += f"; spread of {', '.join(origin.unknown_spread)} not known, does not vary"
        for target in one.targets:
            known = one.subjects and target.share is None
            share = "not known" if known else f"{100 * (target.share or 0):.1f} %"
            words += f"; {target.target}: " + (
                f"share of subjects {share}" if one.subjects else f"{target.value:.3g}"
            )
        lines.append(f"{label}: {words}" if len(results) > 1 else words)
    version = next(iter(results.values())).provenance.version
    own = [text for one in results.values() for text in one.provenance.warnings]
    return "\n".join([*lines, *dict.fromkeys([*found.warnings, *own]), f"angiosim {version}"])


def _banded(one: PK) -> bool:
    """Whether a spread between subjects is drawn."""
    return one.total_bands_nM is not None or bool(one.inhibition_bands)


def _row(
    part: SubFigure,
    results: Mapping[str, PK],
    colours: Mapping[str, str],
    limits: Span,
    *,
    across: int,
    several: bool,
    own: bool,
) -> None:
    """Draw results beside each other, each in as many columns as pieces of time are drawn."""
    pieces = {label: _pieces(one) for label, one in results.items()}
    columns = [(label, span) for label, spans in pieces.items() for span in spans]
    empty = across - len(results)
    shares = [1.0 / len(pieces[label]) for label, _ in columns] + [1.0] * empty
    grid = part.subplots(
        2, len(shares), squeeze=False, height_ratios=(3, 2), width_ratios=shares,
        sharex="col", sharey="row",
    )  # fmt: skip
    for column in range(len(columns), len(shares)):
        for ax in grid[:, column]:
            ax.set_visible(False)
    for column, (label, span) in enumerate(columns):
        one, (upper, lower) = results[label], grid[:, column]
        first = span == pieces[label][0]
        last = span == pieces[label][-1]
        _concentrations(upper, one, colours, span)
        upper.set(yscale="log", ylim=limits)
        style.log_axis(upper.yaxis)
        _inhibition(lower, one, colours, span)
        for ax in (upper, lower):
            _shade_days_off(ax, one)
            ax.spines["left"].set_visible(first)
            ax.tick_params(axis="y", which="both", left=first)
        lower.set(ylim=(0, 1), xlabel=_time_axis(lower, one, span))
        if column == 0:
            upper.set_ylabel("concentration (nM)")
            lower.set_ylabel("inhibition (0-1)")
        words = _of_piece(one, span) if len(pieces[label]) > 1 else ""
        if several and first:
            about = f"{label}: {one.drugs}, {one.drug.species}"
            words = "\n".join([about, one.provenance.regimen, *[words] * bool(words)])
        upper.set_title(_fit(words, part, shares, column), loc="left", size=style.points(9))
        if last and (own or column == len(columns) - 1):
            _mass_axis(upper, one)
    part.align_ylabels(list(grid[:, 0]))


def _fit(words: str, part: SubFigure, shares: list[float], column: int) -> str:
    """Return a title in lines that are as wide as its column."""
    width = 0.85 * canvas.width_of(part) * shares[column] / sum(shares)
    return canvas.wrapped(words, style.points(9), width, lines=3)


def _pieces(result: PK) -> list[Span]:
    """Return what is drawn: all, or the first and the last cycle of more than can be seen."""
    start_h, end_h = result.first_h, float(result.time_h[-1])
    if len(result.doses) <= MOST_DOSES:
        return [(start_h, end_h)]
    regimen = result.regimen
    if regimen and regimen.counted > 1 and WEEK_H <= regimen.cycle_h < (end_h - start_h) / 2:
        last_h = regimen.end_h - regimen.cycle_h
        return [(start_h, start_h + regimen.cycle_h), (last_h, end_h)]
    last_h = max(start_h + WEEK_H, result.doses[-1].at_h - WEEK_H)
    return [(start_h, start_h + WEEK_H), (last_h, end_h)]


def _of_piece(result: PK, span: Span) -> str:
    """Return what a piece of the time is called."""
    regimen, first = result.regimen, span[0] == result.first_h
    if regimen and regimen.counted > 1 and regimen.cycle_h >= WEEK_H:
        return "cycle 1" if first else f"cycle {regimen.counted}"
    return "first week" if first else "last week"


def _x(result: PK, time_h: ArrayLike) -> NDArray[np.float64]:
    """Return where times are on the axis: hours since the first dose, or days counted from 1."""
    since_h = np.asarray(time_h, dtype=np.float64) - result.first_h
    return since_h if _in_hours(result) else since_h / 24.0 + 1.0


def _in_hours(result: PK) -> bool:
    return float(result.time_h[-1]) - result.first_h <= HOURS


def _time_axis(ax: Axes, result: PK, span: Span) -> str:
    """Set limits and ticks of the time axis; return its label."""
    start, end = map(float, _x(result, span))
    length = end - start
    steps = [1.0, 2.0, 4.0, 6.0, 12.0, 24.0] if _in_hours(result) else [
        *(1.0, 2.0, 7.0, 14.0), *(28.0 * 2.0**n for n in range(12))
    ]  # fmt: skip
    cycle_days = result.regimen.cycle_h / 24.0 if result.regimen else 0.0
    if not _in_hours(result) and cycle_days > 7 and 3 <= length / cycle_days <= 8:
        steps = [cycle_days, *steps]
    most = max(3.0, 8.0 * min(1.0, ax.get_position().width / 0.4))
    step = next((one for one in steps if length / one <= most), length)
    ax.set_xlim(start, end)
    ax.set_xticks(np.arange(start, end + (1e-9 if _in_hours(result) else -1e-9), step))
    return "time after the first dose (h)" if _in_hours(result) else "day of treatment"


def _limits(results: Mapping[str, PK]) -> Span:
    """Return the common range of concentrations, nM."""
    high, low = [], []
    for one in results.values():
        ic50s = list(one.potency.ic50_nM.values())
        high += [one.total_nM.max(), *ic50s]
        high += [] if one.total_bands_nM is None else [one.total_bands_nM.max()]
        low += [max(one.free_nM.max(), 1e-3) / 50, min(ic50s) / 2]
    return min(low), 2 * max(high)


def _within(result: PK, span: Span) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which times are in a piece, and where they are; its end belongs to the next one."""
    last = span[1] >= result.time_h[-1]
    there = (result.time_h >= span[0]) & ((result.time_h < span[1]) | last)
    return there, _x(result, result.time_h[there])


def _concentrations(ax: Axes, result: PK, colours: Mapping[str, str], span: Span) -> None:
    there, x = _within(result, span)
    for values, band, colour, label in (
        (result.total_nM, result.total_bands_nM, style.INK, "total in plasma"),
        (result.free_nM, result.free_bands_nM, style.VERMILION, "unbound at the cells"),
    ):
        if band is not None:
            ax.fill_between(
                x, band[0][there], band[2][there], color=colour, alpha=0.15, linewidth=0
            )
        ax.plot(x, values[there], color=colour, label=label)
    times_h = (dose.at_h for dose in result.doses)
    dosed = _x(result, [at_h for at_h in times_h if span[0] <= at_h < span[1]])
    ax.plot(
        dosed,
        np.full(len(dosed), 0.02),
        "|",
        color=style.QUIET,
        transform=ax.get_xaxis_transform(),
        zorder=3,  # over a line that rises there
        label="dose",
    )
    for receptor, ic50 in result.potency.ic50_nM.items():
        ax.axhline(
            ic50, color=colours[receptor], linestyle="--", linewidth=1, label=f"IC50 {receptor}"
        )


def _inhibition(ax: Axes, result: PK, colours: Mapping[str, str], span: Span) -> None:
    there, x = _within(result, span)
    for receptor, inhibited in result.inhibition.items():
        colour = colours.get(receptor, style.QUIET)
        if result.inhibition_bands is not None:
            low, _, high = result.inhibition_bands[receptor]
            ax.fill_between(x, low[there], high[there], color=colour, alpha=0.15, linewidth=0)
        ax.plot(x, inhibited[there], color=colour, label=receptor)


def _mass_axis(ax: Axes, result: PK) -> None:
    """Put the same concentrations in ng/mL on the right."""
    factor = result.molar_mass / 1e3

    def to_mass(nM: NDArray[np.float64]) -> NDArray[np.float64]:
        return nM * factor

    def to_nM(mass: NDArray[np.float64]) -> NDArray[np.float64]:
        return mass / factor

    axis = ax.secondary_yaxis("right", functions=(to_mass, to_nM))  # type: ignore[arg-type]
    axis.set_ylabel("concentration (ng/mL)")
    style.log_axis(axis.yaxis)


def _shade_days_off(ax: Axes, result: PK) -> None:
    regimen = result.regimen
    if regimen is None or regimen.off_days == 0:
        return
    for number in range(1, regimen.counted + 1):
        end_h = regimen.first_h + number * regimen.cycle_h
        start_h = end_h - 24.0 * regimen.off_days
        start, end = _x(result, (start_h, end_h))
        ax.axvspan(float(start), float(end), color=style.DAYS_OFF, linewidth=0)
