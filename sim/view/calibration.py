"""Pictures of calibrations: the objective over trials and parameters, and data against fit."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim import __version__
from sim.files import write_bytes_atomic
from sim.study.calibrate import CalibrationResult
from sim.view import style

_ACROSS: Final = 3  # panels in a row
_PANEL_IN: Final = (3.6, 3.0)


def draw_objective(result: CalibrationResult) -> Figure:
    """Draw the objective of each trial, and the lowest so far; return the figure."""
    figure, (ax,) = _panels(1)
    lowest: list[float] = []
    for trial in result.done:
        value = trial.objective or 0.0
        lowest.append(min([value, *lowest[-1:]]))
        ax.plot(trial.number, value, "o", ms=4, color=style.SKY)
    numbers = [trial.number for trial in result.done]
    ax.step(numbers, lowest, where="post", color=style.BLUE, lw=1.4, label="lowest so far")
    _objective_axis(ax, result)
    ax.set_xlabel("trial")
    ax.legend(frameon=False, fontsize=8)
    _words(figure, result, "a dot for each trial")
    return figure


def draw_profile(result: CalibrationResult) -> Figure:
    """Draw the objective of all trials over each parameter; return the figure.

    The lower edge of the points is an approximate profile: the best that was found for a value,
    whatever the other parameters were.
    """
    figure, panels = _panels(len(result.plan.parameters))
    for ax, (key, found) in zip(panels, result.ranges.items(), strict=True):
        for trial in result.done:
            ax.plot(trial.values[key], trial.objective or 0.0, "o", ms=4, color=style.SKY)
        if found.low is not None and found.high is not None:
            ax.axvspan(found.low, found.high, color=style.ORANGE, alpha=0.25, lw=0)
        ax.axvline(result.values[key], color=style.INK, lw=1, ls=":")
        if result.plan.parameters[key].distribution in ("loguniform", "lognormal"):
            ax.set_xscale("log")
        _objective_axis(ax, result)
        ax.set_xlabel(key)
    _words(figure, result, "dotted: the best; band: ± 1 standard error, approximate")
    return figure


def draw_fit(result: CalibrationResult) -> Figure:
    """Draw the data against the best fit, on its own and on fresh seeds; return the figure.

    Bars are standard errors of the data, and standard deviations of the replicates.
    """
    readouts = list(dict.fromkeys(target.readout for target in result.plan.targets))
    figure, panels = _panels(len(readouts))
    for ax, readout in zip(panels, readouts, strict=True):
        places = [n for n, t in enumerate(result.plan.targets) if t.readout == readout]
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
        ax.set_xticks(at, [f"{t.row}" for t in targets])
        ax.set_xlim(0.4, len(at) + 0.6)
        ax.set_xlabel("row of the data")
        ax.set_ylabel(readout)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=3, frameon=False, fontsize=8)
    _words(figure, result, "data ± standard error, means ± standard deviation of replicates")
    return figure


PICTURES: Final[Mapping[str, Callable[[CalibrationResult], Figure]]] = {
    "objective.png": draw_objective,
    "profile.png": draw_profile,
    "fit.png": draw_fit,
}


def save_pictures(result: CalibrationResult, folder: Path) -> None:
    """Write ``objective.png``, ``profile.png`` and ``fit.png`` into a folder."""
    for name, draw in PICTURES.items():
        buffer = io.BytesIO()
        with style.house_style():
            draw(result).savefig(buffer, format="png", dpi=150, metadata={"Software": None})
        write_bytes_atomic(folder / name, buffer.getvalue())


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many axes, and room for words below."""
    across = min(count, _ACROSS)
    down = -(-count // _ACROSS)
    width, height = _PANEL_IN
    with style.house_style():
        figure = style.new_figure(max(width * across, 5.4) + 0.4, height * down + 0.9)
        figure.set_layout_engine("constrained", rect=(0, 0.45 / (height * down + 0.9), 1, 0.9))
        axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for empty in axes[count:]:
        empty.remove()
    return figure, axes[:count]


def _objective_axis(ax: Axes, result: CalibrationResult) -> None:
    values = [trial.objective or 0.0 for trial in result.done]
    if min(values) > 0 and max(values) > 20 * min(values):
        ax.set_yscale("log")
    ax.set_ylabel("objective (chi-square)")


def _words(figure: Figure, result: CalibrationResult, about: str) -> None:
    plan = result.plan
    figure.suptitle(f"{style.one_line(plan.name, 60)}, calibrated", x=0.02, ha="left", size=11)
    count = f"{len(plan.targets)} numbers, {plan.replicates} replicates"
    words = f"{about}\n{count} · seed {plan.seed} · angiosim {__version__}"
    figure.text(0.02, 0.015, words, size=7.5, color=style.QUIET, ha="left", va="bottom")
