"""Picture of a panel: the curves of all assays over the dose, each in per cent of no drug."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.analysis.panel import AT_LEAST, DOSE, Panel, Row, line_words
from sim.assays import readout
from sim.fits.logistic import DoseResponse
from sim.view.study.curves import DOT, draw_panels
from sim.view.study.doses import dose_and_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

EFFECT, NUMBER = "% of the value without drug", "cell number (% of that without drug)"


def draw_panel(found: Panel, *, fig: Figure | SubFigure | None = None, origin: str = "") -> Figure:
    """Draw all assays in per cent of their value without drug, a panel for each drug and ligand.

    Numbers of cells have panels of their own: fewer cells need not be dead ones.
    """
    drugs = list(dict.fromkeys(row.drug for row in found.rows))
    panels: dict[str, dict[str, DoseResponse]] = {}
    responses: dict[str, str] = {}
    controls: dict[str, dict[str, float]] = {}
    for numbers in (False, True):
        for name, rows in _by_place(found, drugs).items():
            own = [row for row in rows if row.is_number is numbers and _without_drug(row)]
            if not own:
                continue
            title = f"{name}, cell number" if numbers else name
            labels = _labels(own)
            panels[title] = {
                label: _scaled(row.fit, 100 / _without_drug(row))
                for label, row in zip(labels, own, strict=True)
            }
            responses[title] = NUMBER if numbers else EFFECT
            controls[title] = {
                label: 100 * row.unstimulated / _without_drug(row)
                for label, row in zip(labels, own, strict=True)
                if row.unstimulated is not None
            }
    assays = len({row.assay for row in found.rows})
    drug, unit = dose_and_unit(DOSE, drugs[0] if len(drugs) == 1 else "")
    return draw_panels(
        panels, fig=fig, responses=responses, drug=drug, unit=unit, controls=controls,
        title=f"{drugs[0] if len(drugs) == 1 else f'{len(drugs)} drugs'} in {assays} assays",
        origin=DOT.join(filter(None, [found.study, origin, *_unharmed(found)])),
    )  # fmt: skip


def _by_place(found: Panel, drugs: list[str]) -> dict[str, list[Row]]:
    """Return the rows by what their panel is called: the ligand, or the drug, or both."""
    ligands = {row.ligand for row in found.rows}
    places: dict[str, list[Row]] = {}
    for row in found.rows:
        parts = [row.drug] if len(drugs) > 1 else []
        if len(ligands) > 1 or not parts:
            parts.append(row.ligand if row.ligand != "none" else "no growth factor")
        places.setdefault(", ".join(parts), []).append(row)
    return places


def _unharmed(found: Panel) -> list[str]:
    """Return up to which doses cells were seen unharmed."""
    seen = (
        f"{line_words(one.line)} seen unharmed up to {one.harm_nM:g} nM of {one.row.drug}"
        for one in found.found
        if one.kind == AT_LEAST
    )
    return list(dict.fromkeys(seen))


def _labels(rows: list[Row]) -> list[str]:
    """Return what curves of one panel are called: the read-out, with line or arm if needed."""
    labels = [readout(row.readout).words for row in rows]
    for more in (lambda row: line_words(row.line), lambda row: row.arm):
        count = Counter(labels)
        labels = [
            label if count[label] == 1 else f"{label}, {more(row)}"
            for label, row in zip(labels, rows, strict=True)
        ]
    return labels


def _without_drug(row: Row) -> float:
    """Return the mean at dose 0, or the top of the curve; 0 if neither is known."""
    if 0 in row.fit.doses:
        return row.fit.means[row.fit.doses.index(0)]
    return row.fit.top or 0.0


def _scaled(fit: DoseResponse, factor: float) -> DoseResponse:
    """Return a fit whose responses are multiplied; its IC50s stay."""
    return replace(
        fit,
        means=tuple(factor * mean for mean in fit.means),
        errors=tuple(None if error is None else factor * error for error in fit.errors),
        left_out=tuple((factor * a, factor * b, mid, hill) for a, b, mid, hill in fit.left_out),
    )
