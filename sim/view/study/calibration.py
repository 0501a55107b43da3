"""Pictures of calibrations: the objective over trials and parameters, and data against fit."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from sim.assays import readout
from sim.calibration.file import Target
from sim.calibration.result import Calibration, Range
from sim.calibration.runner import PICTURES
from sim.runs.folder import LOG, logging_into
from sim.version import __version__
from sim.view import canvas, style
from sim.view.study.doses import dose_label, labels

_ACROSS: Final = 3  # panels in a row
_PANEL_IN: Final = (3.6, 3.0)
_PANEL_LETTERS: Final = 36  # under an axis


@style.house_style()
def draw_objective(result: Calibration, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the objective of each trial, and the lowest so far; return the figure."""
    about = "the objective of each trial on the seeds of the fit"
    body, (ax,) = _panels(result, 1, fig, "Objective over the trials", about)
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
    body.legend(handles=[dot, line], loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    return canvas.figure_of(body)


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
    body, panels = _panels(
        result, len(result.plan.parameters), fig, "Objective over each parameter", about
    )
    names = labels(result.ranges)
    for ax, key in zip(panels, result.ranges, strict=True):
        for trial in result.done:
            ax.plot(trial.values[key], trial.objective or 0.0, "o", ms=4, color=style.SKY)
        if key in known:
            ax.axvspan(*known[key], color=style.ORANGE, alpha=0.25, lw=0)
        ax.axvline(result.values[key], color=style.INK, lw=1, ls=":")
        if result.plan.parameters[key].distribution in ("loguniform", "lognormal"):
            ax.set_xscale("log")
            _plain_numbers(ax.xaxis)
        _objective_axis(ax, result)
        ax.set_xlabel(canvas.wrapped(names[key], 10, _PANEL_IN[0] - 0.8, lines=2))
    return canvas.figure_of(body)


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
    body, panels = _panels(result, len(readouts), fig, "Data and calibrated model", about)
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
        names, labels = _rows(result, targets)
        ax.set_xticks(at, labels)
        ax.set_xlim(0.4, len(at) + 0.6)
        ax.set_xlabel(names)
        ax.set_ylabel(readout(name).label)
    handles, labels = panels[0].get_legend_handles_labels()
    body.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False, fontsize=8)
    return canvas.figure_of(body)


_DRAWINGS: Final = (draw_objective, draw_profile, draw_fit)


def save_pictures(result: Calibration, folder: Path) -> None:
    """Write ``objective.png``, ``profile.png`` and ``fit.png`` into a folder.

    A picture that cannot be drawn is left out with a warning.
    """
    drawings = {name: partial(draw, result) for name, draw in zip(PICTURES, _DRAWINGS, strict=True)}
    marks = canvas.Marks(title=result.plan.name, seed=result.plan.seed)
    with logging_into(folder / LOG):
        canvas.save_pictures(drawings, folder, marks)


def _panels(
    result: Calibration, count: int, fig: Figure | SubFigure | None, title: str, about: str
) -> tuple[SubFigure, list[Axes]]:
    """Return the body of a figure, and so many axes in it."""
    across = min(count, _ACROSS)
    down = -(-count // _ACROSS)
    width, height = _PANEL_IN
    plan = result.plan
    source = (
        f"{style.one_line(plan.name, 60)} · {len(plan.targets)} numbers, {plan.replicates} "
        f"replicates · seed {plan.seed} · angiosim {__version__}"
    )
    body = canvas.sheet(
        fig, max(width * across, 5.4) + 0.4, height * down + 1.3,
        title=title, caption=f"{about}\n{source}",
    )  # fmt: skip
    axes = body.subplots(down, across, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.remove()
    return body, axes[:count]


def _objective_axis(ax: Axes, result: Calibration) -> None:
    values = [trial.objective or 0.0 for trial in result.done]
    if min(values) > 0 and max(values) > 20 * min(values):
        ax.set_yscale("log")
        _plain_numbers(ax.yaxis)
    ax.set_ylabel("objective (chi-square)")


def _plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers at 1, 2 and 5 times powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda x, _: f"{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _rows(result: Calibration, targets: list[Target]) -> tuple[str, list[str]]:
    """Return what rows of the data differ in and what each has, or numbers if that is long."""
    rows = [dict(result.plan.conditions[target.condition]) for target in targets]
    for row, target in zip(rows, targets, strict=True):
        row["time (h)"] = "end" if target.time_h is None else target.time_h
    named = dict.fromkeys(key for row in rows for key in row)
    keys = [key for key in named if len({str(row.get(key)) for row in rows}) > 1]
    labels = ["\n".join(_short(row.get(key, "–")) for key in keys) for row in rows]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    if not 1 <= len(keys) <= 3 or len(rows) * (longest + 1) > _PANEL_LETTERS:
        return "row of the data", [str(target.row) for target in targets]
    return "\n".join(style.one_line(dose_label(key), _PANEL_LETTERS + 12) for key in keys), labels


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else " ".join(str(value).split())
