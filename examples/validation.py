"""Published and simulated numbers in one figure, read from the tables of the documentation.

python examples/validation.py [validation.png]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"\d[\d,]*\.?\d*")
PUBLISHED = {"color": "#d55e00", "markerfacecolor": "white", "label": "published"}
SIMULATED = {"color": "#0072b2", "label": "simulated"}


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """Return the table below the heading with these words: the other cells by the first."""
    lines = iter((DOCS / page).read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {heading}"))
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if set(first) != {"-"}:
            found[first] = cells
    return found


def numbers(cell: str) -> list[float]:
    """Return the numbers in a cell."""
    return [float(text.replace(",", "")) for text in NUMBER.findall(cell)]


def sprouts(ax: Axes) -> None:
    """Length of sprouts over VEGF."""
    table = {key: cells for key, cells in rows("sprouting.md", "VEGF, ng/mL").items() if cells[1]}
    places = range(len(table))
    for column, shift, look in ((1, -0.1, PUBLISHED), (0, 0.1, SIMULATED)):
        mean, error = np.transpose([numbers(cells[column]) for cells in table.values()])
        ax.errorbar(np.add(places, shift), mean, error, fmt="o", capsize=2, **look)
    ax.set(xlabel="VEGF (ng/mL)", ylabel="sprout length (µm)", ylim=(0, None))
    ax.set_xticks(places, list(table))


def cluster(ax: Axes) -> None:
    """Compactness of a cluster over the share of chemotaxis at borders with cells."""
    for share, (cell, _) in rows("published-models.md", "share").items():
        values = [x for x in numbers(re.sub(r"±.*|\(.*", "", cell)) if x]
        ax.plot([float(share)] * len(values), values, "o", color=SIMULATED["color"])
    ax.plot([0, 0.45], [0.35] * 2, [0.6, 1], [0.9] * 2, color=PUBLISHED["color"])
    ax.axvspan(0.5, 0.6, color=PUBLISHED["color"], alpha=0.15)
    ax.set(xlabel="share at borders with cells", ylabel="compactness", ylim=(0, 1))


def potencies(ax: Axes) -> None:
    """IC50s of network length over those of the receptors."""
    table = rows("dose-response.md", "IC50, nM (95 % limits)")
    went_in = np.array([numbers(cell) for cell in table["potency that went in (`lin2018`)"]])
    found = np.array([numbers(cell) for cell in table["network length"]])
    limits = np.abs(found[:, 1:] - found[:, :1]).T
    ax.plot([3, 17], [3, 17], color="#888888", linewidth=0.8)
    ax.errorbar(
        went_in[:, 0], found[:, 0], limits, went_in[:, 1],
        fmt="o", capsize=2, color=SIMULATED["color"],
    )  # fmt: skip
    for (x, _), (y, *_), ligand in zip(went_in, found, ("VEGF", "PDGF-BB", "FGF-2"), strict=True):
        ax.annotate(ligand, (x, y), (4, -12), textcoords="offset points", fontsize="small")
    ax.set(xlabel="potency that went in (nM)", ylabel="IC50 of network length (nM)")


def patients(ax: Axes) -> None:
    """Anlotinib before the dose of day 43."""
    table = rows("pharmacokinetics.md", "| published")
    default, as_published = (
        next(cells for key, cells in table.items() if key.startswith(start))
        for start in ("human, 12 mg", "the same with")
    )
    bars = [numbers(default[0])[:2], numbers(default[1])[1:3], numbers(as_published[1])[1:3]]
    for place, (mean, error) in enumerate(bars):
        look = PUBLISHED if place == 0 else SIMULATED
        ax.errorbar(place, mean, error, fmt="o", capsize=2, **{**look, "label": None})
    ax.set_xticks(range(3), ["measured", "calibrated", "published\nmodel"])
    ax.set(ylabel="anlotinib, day 43 (ng/mL)", xlim=(-0.5, 2.5), ylim=(0, None))


def draw() -> Figure:
    """Draw all panels."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    panels = (sprouts, cluster, potencies, patients)
    for letter, ax, panel in zip("abcd", figure.subplots(2, 2).flat, panels, strict=True):
        panel(ax)
        ax.set_title(letter, loc="left", fontweight="bold")
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


if __name__ == "__main__":
    draw().savefig(sys.argv[1] if len(sys.argv) > 1 else "validation.png", dpi=150)
