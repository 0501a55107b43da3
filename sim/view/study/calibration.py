"""Pictures of calibrations: the objective over trials and parameters, and data against fit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from sim.assays import readout
from sim.calibration.file import Target
from sim.calibration.result import Calibration, Range
from sim.calibration.runner import PICTURES
from sim.runs.folder import LOG, logging_into
from sim.version import __version__
from sim.view import canvas, style
from sim.view.study.doses import dose_label, labels

_ACROSS: Final = 3  # panels in a row
_LEAST_IN: Final = 3.0  # how wide a panel is at least, with text of 10 pt
_HIGH_IN: Final = 2.4  # and how high


@style.house_style()
def draw_objective(result: Calibration, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the objective of each trial, and the lowest so far; return the figure."""
    about = "the objective of each trial on the seeds of the fit"
    sheet = _sheet(result, 1, fig, "Objective over the trials", about)
    (ax,) = sheet.panels(1, 1)
    lowest: list[float] = []
    for trial in result.done:
        value = trial.objective or 0.0
        lowest.append(min([value, *lowest[-1:]]))
        ax.plot(trial.number, value, "o", ms=4, color=style.SKY)
    numbers = [trial.number for trial in result.done]
    (line,) = ax.step(numbers, lowest, where="post", color=style.BLUE, lw=1.4)
    line.set_label("lowest so far")
    dot = Line2D([], [], marker="o", ms=4, ls="none", color=style.SKY, label="a trial")
    _objective_axis(ax, result)
    ax.set_xlabel("trial")
    sheet.legend([dot, line])
    return sheet.done([ax], _HIGH_IN)


@style.house_style()
def draw_profile(result: Calibration, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the objective of all trials over each parameter; return the figure.

    The lower edge of the points is an approximate profile: the best that was found for a value,
    whatever the other parameters were. Where the trials do not tell the standard error there is no
    band.
    """
    about = "dotted: the best; band: ± 1 standard error, approximate"
    known = {key: span for key, one in result.ranges.items() if (span := _span(one))}
    if len(known) < len(result.ranges):
        about += "; no band: not determined by these trials"
    count = len(result.plan.parameters)
    sheet = _sheet(result, count, fig, "Objective over each parameter", about)
    across = sheet.across(style.points(_LEAST_IN), min(count, _ACROSS))
    panels, wide = sheet.panels(count, across), sheet.width_in / across
    names = labels(result.ranges)
    for ax, key in zip(panels, result.ranges, strict=True):
        for trial in result.done:
            ax.plot(trial.values[key], trial.objective or 0.0, "o", ms=4, color=style.SKY)
        if key in known:
            ax.axvspan(*known[key], color=style.ORANGE, alpha=0.25, lw=0)
        ax.axvline(result.values[key], color=style.INK, lw=1, ls=":")
        if result.plan.parameters[key].distribution in ("loguniform", "lognormal"):
            ax.set_xscale("log")
            style.log_axis(ax.xaxis)
        _objective_axis(ax, result)
        ax.set_xlabel(canvas.wrapped(names[key], style.points(10), wide - 0.6, lines=2))
    return sheet.done(panels[::across], _HIGH_IN * -(-count // across))


def _span(found: Range) -> tuple[float, float] | None:
    """Return the limits of a parameter that trials determine."""
    if found.low is None or found.high is None or (found.low_open and found.high_open):
        return None
    return found.low, found.high


@style.house_style()
def draw_fit(result: Calibration, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the data against the best fit, on its own and on fresh seeds; return the figure.

    Bars are standard errors of the data, and standard deviations of the replicates.
    """
    readouts = list(dict.fromkeys(target.readout for target in result.plan.targets))
    about = "data ± standard error, means ± standard deviation of replicates"
    sheet = _sheet(result, len(readouts), fig, "Data and calibrated model", about)
    across = sheet.across(style.points(_LEAST_IN), min(len(readouts), _ACROSS))
    panels, wide = sheet.panels(len(readouts), across), sheet.width_in / across
    for ax, name in zip(panels, readouts, strict=True):
        places = [n for n, t in enumerate(result.plan.targets) if t.readout == name]
        targets = [result.plan.targets[n] for n in places]
        at = list(range(1, len(places) + 1))
        values, errors = [t.value for t in targets], [t.sd for t in targets]
        ax.errorbar(at, values, errors, fmt="s", ms=5, color=style.INK, capsize=3, label="data")
        shown = ((result.best, -0.18, style.BLUE, "fitted"),
                 (result.fresh, 0.18, style.VERMILION, "fresh seeds"))  # fmt: skip
        for trial, shift, colour, label in shown:
            if trial.matches:
                found = [trial.matches[n] for n in places]
                ax.errorbar(
                    [x + shift for x in at],
                    [match.mean for match in found],
                    [match.sd or 0.0 for match in found],
                    fmt="o", ms=4, color=colour, lw=1, label=label,
                )  # fmt: skip
        names, labels = _rows(result, targets, int(wide * 72 / style.points(6.5)))
        ax.set_xticks(at, labels)
        ax.set_xlim(0.4, len(at) + 0.6)
        ax.set_xlabel(names)
        words = (
            readout(name).label
            if targets[0].control is None
            else f"{readout(name).words} / control"
        )
        label = canvas.wrapped(words, style.points(10), style.points(_HIGH_IN), 2)
        ax.set_ylabel(label)
    sheet.legend(panels[0].get_legend_handles_labels()[0])
    return sheet.done(panels[::across], _HIGH_IN * -(-len(readouts) // across))


def drawings_of(result: Calibration) -> canvas.Drawings:
    """Return how to draw the pictures of a calibration."""
    draws = (draw_objective, draw_profile, draw_fit)
    return {
        Path(name).stem: partial(draw, result) for name, draw in zip(PICTURES, draws, strict=True)
    }


def save_pictures(result: Calibration, folder: Path) -> None:
    """Write ``objective.png``, ``profile.png`` and ``fit.png`` into a folder.

    A picture that cannot be drawn is left out with a warning.
    """
    drawings = {f"{name}.png": draw for name, draw in drawings_of(result).items()}
    with logging_into(folder / LOG):
        canvas.save_pictures(drawings, folder, canvas.marks_of(result.plan))


def _sheet(
    result: Calibration, count: int, fig: Figure | SubFigure | None, title: str, about: str
) -> canvas.Sheet:
    """Return a figure for so many panels."""
    plan = result.plan
    source = (
        f"{style.one_line(plan.name, 60)} · {len(plan.targets)} numbers, {plan.replicates} "
        f"replicates · seed {plan.seed} · angiosim {__version__}"
    )
    width = {1: 6.0, 2: 8.0}.get(count, 11.0)
    return canvas.Sheet(fig, width, title=title, caption=f"{about}\n{source}")


def _objective_axis(ax: Axes, result: Calibration) -> None:
    values = [trial.objective or 0.0 for trial in result.done]
    if min(values) > 0 and max(values) > 20 * min(values):
        ax.set_yscale("log")
        style.log_axis(ax.yaxis)
    ax.set_ylabel("objective (chi-square)")


def _rows(result: Calibration, targets: list[Target], letters: int) -> tuple[str, list[str]]:
    """Return what rows of the data differ in and what each has, or numbers if that is long."""
    rows = [dict(result.plan.conditions[target.condition]) for target in targets]
    for row, target in zip(rows, targets, strict=True):
        row["time (h)"] = "end" if target.time_h is None else target.time_h
    named = dict.fromkeys(key for row in rows for key in row)
    keys = [key for key in named if len({str(row.get(key)) for row in rows}) > 1]
    labels = ["\n".join(_short(row.get(key, "–")) for key in keys) for row in rows]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    if not 1 <= len(keys) <= 3 or len(rows) * (longest + 1) > letters:
        return "row of the data", [str(target.row) for target in targets]
    return "\n".join(style.one_line(dose_label(key), letters + 8) for key in keys), labels


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else " ".join(str(value).split())
