"""Pictures of sensitivity: bars of Sobol' indices, and Morris's plane of mu* and sigma."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sim.analysis.sensitivity import BLOCK, MAIN, Indices, Sensitivity, too_few
from sim.assays import readout
from sim.version import __version__
from sim.view import canvas, style
from sim.view.study.doses import labels

MOST_ARMS: Final = 12  # in one picture
_DOT: Final = " · "
MOST_NAMED: Final = 12  # parameters with a colour and a shape in Morris's plane
_KEY: Final = 60  # letters of a label
_NARROW: Final = {True: 4.0, False: 3.0}
"""How wide a panel of bars, or of points, is at least, with text of 10 pt."""
_COLOURS: Final = (
    style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.INK,
)  # fmt: skip
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")  # one less than colours: 42 pairs
_BARS: Final = {"S1": (style.BLUE, 0.2), "ST": (style.ORANGE, -0.2)}
_MEANING: Final = {"S1": "S1: first-order effect", "ST": "ST: total effect"}


@style.house_style()
def draw_sensitivity(found: Sensitivity, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the sensitivity of a read-out, a panel for each of up to 12 arms.

    Parameters
    ----------
    found : Sensitivity
        Its arms are all of one method.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no arm.
    """
    if not found.arms:
        raise ValueError("there is no arm to draw")
    shown = list(found.arms.items())[:MOST_ARMS]
    keys = _order([one for _, one in shown])
    bars = shown[0][1].method == "saltelli"
    sheet = canvas.Sheet(
        fig, {1: 8.0, 2: 11.0}.get(len(shown), 13.0),
        title=f"Sensitivity of {readout(found.response).words}", caption=_caption(found, shown),
    )  # fmt: skip
    noise = any(one.noise_floor for _, one in shown)
    sheet.legend(_legend(bars, keys, noise=noise))
    columns = sheet.across(style.points(_NARROW[bars]), min(len(shown), 3))
    axes = sheet.panels(len(shown), columns)
    ends = [_reach(one) for _, one in shown]
    reach = max(x for x, _ in ends), max(y for _, y in ends)
    wide = sheet.width_in / columns
    for place, ((arm, one), ax) in enumerate(zip(shown, axes, strict=True)):
        if bars:
            draw_sobol(one, ax, keys=keys, response=found.response)
        else:
            draw_morris(one, ax, keys=keys, response=found.response, reach=reach)
        if len(found.arms) > 1:
            words = canvas.wrapped(arm, style.points(11), wide - 0.4, lines=2)
            pad = style.points(4 if bars else 16)  # above the labels of the lines
            ax.set_title(words, size=style.points(11), pad=pad)
        if place % columns:
            ax.tick_params(labelleft=not bars)
            ax.set_ylabel("")
    high = 0.45 * len(keys) if bars else 3.2
    return sheet.done(axes[::columns], high * -(-len(shown) // columns))


def draw_sobol(
    found: Indices, ax: Axes, *, keys: Sequence[str] | None = None, response: str
) -> None:
    """Draw first-order and total indices of Sobol' as bars with their 95 % limits.

    Parameters
    ----------
    found : Indices
        Of the method ``saltelli``.
    ax : matplotlib.axes.Axes
        Where to draw.
    keys : sequence of str, optional
        The parameters from above; by default the most influential first.
    response : str
        What was read.
    """
    keys = keys or found.ranked()
    size, room = style.points(10), 0.38 * canvas.width_of(ax.figure)  # type: ignore[arg-type]
    names = labels(keys).values()
    ax.set_yticks(range(len(keys)), [canvas.wrapped(name, size, room, lines=2) for name in names])
    ax.set_ylim(len(keys) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.axvline(0, color=style.QUIET, linewidth=0.8, zorder=1)
    label = f"share of the variance of {readout(response).words}"
    ax.set_xlabel(canvas.wrapped(label, size, 0.8 * canvas.width_of(ax), lines=3))
    style.plain_text(ax)
    if _says_why_nothing(found, ax):
        return
    ends = [0.0, 1.0]
    for row, key in enumerate(keys):
        numbers = found.parameters[key]
        for name, (colour, shift) in _BARS.items():
            value, low, high = (numbers[name + end] for end in ("", "_low", "_high"))
            ax.barh(row - shift, value, height=0.36, color=colour, zorder=2)
            ax.errorbar(
                value, row - shift, xerr=[[value - low], [high - value]], color=style.INK,
                elinewidth=1.2, capsize=3, zorder=3,
            )  # fmt: skip
            ends += [low, high]
    if "ST" in found.noise_floor:
        ax.axvline(found.noise_floor["ST"], color=style.INK, linewidth=1.1, linestyle=":", zorder=4)
    ax.set_xlim(min(ends) - 0.02, max(ends) + 0.02)


def draw_morris(
    found: Indices,
    ax: Axes,
    *,
    keys: Sequence[str] | None = None,
    response: str,
    reach: tuple[float, float] | None = None,
) -> None:
    """Draw elementary effects: mu* with its 95 % limits against sigma.

    A sign beside each point is the direction of the effects: + or - where nine tenths of mu* are of
    one sign, else both. Oblique lines are sigma / mu* = 0.1, 0.5 and 1, by which an effect is
    almost linear, monotonic, almost monotonic or neither (Garcia Sanchez et al. 2014).

    Parameters
    ----------
    found : Indices
        Of the method ``morris``.
    ax : matplotlib.axes.Axes
        Where to draw.
    keys : sequence of str, optional
        The parameters in the order of colours and shapes; by default the most influential first.
    response : str
        What was read; effects are in its units.
    reach : tuple of float, optional
        The largest mu* and sigma to show, alike in pictures beside each other; by default those
        that are there.
    """
    keys = keys or found.ranked()
    label = f"µ* of {readout(response).label}"
    ax.set_xlabel(canvas.wrapped(label, style.points(10), canvas.width_of(ax), lines=3))
    ax.set_ylabel("σ (in the unit of µ*)")
    style.plain_text(ax)
    if _says_why_nothing(found, ax):
        return
    for place, key in reversed(list(enumerate(keys))):  # what matters most above the rest
        numbers = found.parameters[key]
        value, low, high = (numbers["mu_star" + end] for end in ("", "_low", "_high"))
        if place >= MOST_NAMED:
            ax.plot(value, numbers["sigma"], zorder=3, **_others())
            continue
        colour, marker = _look(place)
        ax.errorbar(
            value, numbers["sigma"], xerr=[[value - low], [high - value]], color=colour,
            marker=marker, markersize=style.points(7.5), markeredgecolor="white",
            markeredgewidth=style.points(0.7), elinewidth=style.points(1.3),
            capsize=style.points(2.5), zorder=4,
        )  # fmt: skip
        one_sign = abs(numbers["mu"]) >= 0.8 * value  # nine tenths less one tenth
        sign = "" if value == 0 else "±" if not one_sign else "+" if numbers["mu"] > 0 else "−"
        ax.annotate(
            sign, (value, numbers["sigma"]), xytext=(0, style.points(4)),
            textcoords="offset points", ha="center", size=style.points(10), color=colour, zorder=5,
        )  # fmt: skip
    floor = found.noise_floor
    if floor:
        dots: dict[str, Any] = {"color": style.INK, "linewidth": 1.1, "linestyle": ":", "zorder": 2}
        ax.axvline(floor["mu_star"], **dots)
        ax.axhline(floor["sigma"], **dots)
    right, above = reach or _reach(found)
    right = 1.08 * right
    above = 1.2 * max(above, 0.25 * right)
    for slope in (0.1, 0.5, 1.0):
        end = min(right, above / slope)
        ax.plot([0, end], [0, slope * end], color=style.FRAME, linewidth=1, zorder=1)
        # Above the axes, or above the line where that ends at the right.
        ax.annotate(
            f"σ/µ* {slope:g}", (end, slope * end), xytext=(0, 3), textcoords="offset points",
            ha="center" if end < right else "right", va="bottom", size=style.points(8.5),
            color=style.QUIET, zorder=3,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip
    ax.set_xlim(-0.02 * right, right)
    ax.set_ylim(-0.04 * above, above)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _reach(found: Indices) -> tuple[float, float]:
    """Return the largest mu* (its upper limit) and the largest sigma, or those of noise."""
    floor, numbers = found.noise_floor, found.parameters.values()
    return (
        max([floor.get("mu_star") or 0.0, *(n.get("mu_star_high") or 0.0 for n in numbers)]),
        max([floor.get("sigma") or 0.0, *(n.get("sigma") or 0.0 for n in numbers)]),
    )


def _says_why_nothing(found: Indices, ax: Axes) -> bool:
    """Write why there are no indices, where there are none."""
    if any(numbers[MAIN[found.method]] is not None for numbers in found.parameters.values()):
        return False
    ax.set_xticks([])
    if found.method == "morris":
        ax.set_yticks([])
    ax.text(
        0.5, 0.5, found.note.replace("; ", "\n"), transform=ax.transAxes, ha="center", va="center",
        size=style.points(10), color=style.QUIET, wrap=True,
    )  # fmt: skip
    return True


def _order(arms: Sequence[Indices]) -> list[str]:
    """Return the parameters, the most influential over all arms first."""
    main = MAIN[arms[0].method]
    total = {key: sum(a.parameters[key][main] or 0.0 for a in arms) for key in arms[0].parameters}
    return sorted(total, key=lambda key: -total[key])


def _look(place: int) -> tuple[str, str]:
    """Return colour and marker of a parameter."""
    return _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]


def _others() -> dict[str, Any]:
    """Return how parameters without a name look."""
    return {"marker": ".", "markersize": style.points(6), "color": "#8d949c", "linestyle": "none"}


def _legend(bars: bool, keys: Sequence[str], *, noise: bool) -> list[Any]:
    """Return what says what colours and shapes mean."""
    what = "ST from noise only" if bars else "noise only"
    handles: list[Any]
    if bars:
        handles = [Patch(color=colour, label=_MEANING[name]) for name, (colour, _) in _BARS.items()]
    else:
        names = list(labels(keys).values())
        handles = []
        for place, name in enumerate(names[:MOST_NAMED]):
            colour, marker = _look(place)
            handles.append(
                Line2D([], [], color=colour, marker=marker, markersize=style.points(7),
                       linestyle="none", label=style.one_line(name, _KEY))
            )  # fmt: skip
        if more := len(names) - len(handles):
            what_else = f"{more} parameter{'s' * (more > 1)} of less effect"
            handles.append(Line2D([], [], **_others(), label=what_else))
    if noise:
        line = {"linewidth": style.points(1.1), "linestyle": ":"}
        handles.append(Line2D([], [], color=style.INK, label=what, **line))  # type: ignore[arg-type]
    return handles


def _caption(found: Sensitivity, shown: Sequence[tuple[str, Indices]]) -> str:
    """Return how the indices were computed."""
    first = shown[0][1]
    used = sorted({one.used for _, one in shown})
    what = "Sobol' indices" if first.method == "saltelli" else "elementary effects (Morris)"
    about = f"{what} with 95 % limits{_DOT}"
    about += f"{' or '.join(map(str, used))} of {first.n} {BLOCK[first.method]}"
    count = first.replicates
    about += f", mean of {count} replicates" if count > 1 else ", one replicate"
    if first.method == "morris":
        about += f"{_DOT}+ raises it, − lowers it, ± either"
    if len(found.arms) > len(shown):
        about += f"{_DOT}{len(shown)} of {len(found.arms)} arms"
    study = style.one_line(found.study, 80)
    source = _DOT.join([study, "parameters vary independently", f"angiosim {__version__}"])
    return "\n".join(filter(None, [too_few(first.method, used[0]), about, source]))
