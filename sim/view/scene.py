"""What there is to see at one moment: cells on a lattice, or the vessels of a bed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.assays import assay
from sim.assays.declare import Tissue, called
from sim.bed import Bed
from sim.model.assay import PREFIX, tissue_of
from sim.model.base import AssayModel
from sim.model.bed import VesselBedModel, bed_of
from sim.model.clock import AngiogenesisModel
from sim.scenario.bed import BedScenario
from sim.scenario.branch import time_of
from sim.scenario.classes import has_receptors, ligands_of
from sim.scenario.schema import LatticeScenario, Scenario
from sim.view import style
from sim.view.paint import (
    BED_PIXELS,
    CELL_RAMPS,
    FLOW,
    NAMED,
    SHADES,
    Overlay,
    Ramp,
    Raster,
    VesselCanvas,
    paint_cells,
    png,
    type_colour,
)

Limits = tuple[float, float]
Details = dict[str, Any]
"""What is said of one cell: a title, rows of words and values, and its receptors."""


@dataclass(frozen=True)
class Look:
    """What is shown: how cells are coloured, over which field, and whether with the overlay."""

    cells: str
    ground: str = ""
    overlay: bool = False


class Painted(NamedTuple):
    """A picture as numbers of colours, and the ramps that some of them are of."""

    raster: Raster
    cells: Ramp
    ground: Ramp | None

    def png(self) -> bytes:
        """Return it as a PNG."""
        return png(*self)


class Scene(Protocol):
    """What is seen of a model or of a frame; coordinates are shares of the domain [y, x]."""

    def range(self, ground: str) -> Limits:
        """Return the lowest and the highest value of a field."""

    def paint(
        self, look: Look, limits: Limits, chosen: int | None = None, scale: float | None = None
    ) -> Painted:
        """Return the picture; with so many pixels for the side of a site or voxel."""

    def find(self, y: float, x: float) -> int | None:
        """Return the id of what is at a place."""

    def details(self, number: int) -> Details | None:
        """Return what is known of a cell; None if it is not there."""


def cell_looks(scenario: Scenario) -> dict[str, str]:
    """Return how cells may be coloured, the usual first: words by name."""
    if not isinstance(scenario, LatticeScenario):
        return {}
    names = [*(("drive", "activity") if has_receptors(scenario) else ()), "cell"]
    names += ["type"] if scenario.types else []
    return {name: CELL_RAMPS[name].label for name in [*names, "outline"]}


def grounds(scenario: Scenario) -> dict[str, Ramp]:
    """Return the fields that may be shown, by name."""
    if not isinstance(scenario, LatticeScenario):
        oxygen = style.SHADES["oxygen"]
        return {
            "oxygen": Ramp(oxygen.label, oxygen.colours, oxygen.limits),
            "vegf": Ramp("VEGF (ng/mL)", "YlOrBr", (0.0, 1.0)),
        }
    units = {name: "ng/mL" for name in ligands_of(scenario)}
    return {
        name: Ramp(f"{name} ({units.get(name, 'arbitrary units')})", "YlOrBr", (0.0, 1.0))
        for name in scenario.fields
    }


def first_look(scenario: Scenario) -> Look:
    """Return what is shown at first."""
    if isinstance(scenario, LatticeScenario):
        return Look(next(iter(cell_looks(scenario))))
    return Look("flow", "oxygen")


def type_names(scenario: Scenario) -> list[str]:
    """Return the types of cells, that of number 1 first."""
    further = scenario.types if isinstance(scenario, LatticeScenario) else {}
    return ["endothelial", *further]


class CellScene:
    """Cells on a lattice.

    Parameters
    ----------
    scenario : LatticeScenario
    arrays : mapping of str to ndarray
        As in a frame: ``cell_id``, ``cell_unique_id``, ``cell_type``, ``cell_drive``,
        ``cell_activity`` and ``field_NAME``.
    overlay : Overlay, optional
        What the assay draws over them.
    """

    def __init__(
        self,
        scenario: LatticeScenario,
        arrays: Mapping[str, NDArray[Any]],
        overlay: Overlay | None = None,
    ) -> None:
        self._scenario, self._arrays, self._overlay = scenario, arrays, overlay
        self._labels = arrays["cell_id"]

    def range(self, ground: str) -> Limits:
        """Return the lowest and the highest value of a field."""
        values = self._arrays.get(f"field_{ground}")
        return (np.nan, np.nan) if values is None else (float(values.min()), float(values.max()))

    def paint(
        self, look: Look, limits: Limits, chosen: int | None = None, scale: float | None = None
    ) -> Painted:
        """Return the picture; see `Scene`."""
        ramp, arrays = CELL_RAMPS[look.cells], self._arrays
        ids, types = arrays["cell_unique_id"], arrays["cell_type"]
        by_type = range(1 if look.cells == "type" else 2, int(types.max(initial=1)) + 1)
        special = {type_colour(k): types == k for k in by_type if look.cells != "cell"}
        if look.cells in ("drive", "activity"):
            shades = ramp.shades(arrays[f"cell_{look.cells}"], SHADES)
        else:
            shades = np.asarray(ids, np.intp) % len(style.SOFT_CYCLE)
        ground = self._ground(look.ground, limits)
        raster = paint_cells(
            self._labels, shades, special=special, hollow=look.cells == "outline", ground=ground,
            chosen=self._row(chosen), overlay=self._overlay if look.overlay else None, scale=scale,
        )  # fmt: skip
        return Painted(raster, ramp, None if ground is None else ground[0])

    def _ground(self, name: str, limits: Limits) -> tuple[Ramp, Any] | None:
        values = self._arrays.get(f"field_{name}")
        if values is None:
            return None
        return replace(grounds(self._scenario)[name], limits=limits), values

    def _row(self, number: int | None) -> int:
        if not number:
            return 0
        rows = np.flatnonzero(self._arrays["cell_unique_id"] == number)
        return int(rows[0]) if rows.size else 0

    def find(self, y: float, x: float) -> int | None:
        """Return the id of the cell at a place."""
        height, width = self._labels.shape
        row = self._labels[min(int(y * height), height - 1), min(int(x * width), width - 1)]
        return int(self._arrays["cell_unique_id"][row]) if row else None

    def site(self, number: int) -> tuple[int, int] | None:
        """Return a site [y, x] of a cell."""
        row = self._row(number)
        at = np.flatnonzero(self._labels.ravel() == row) if row else np.zeros(0, int)
        if not at.size:
            return None
        y, x = divmod(int(at[0]), self._labels.shape[1])
        return y, x

    def details(self, number: int) -> Details | None:
        """Return what a frame says of a cell."""
        row = self._row(number)
        if not row:
            return None
        spacing, arrays = self._scenario.domain.spacing_um, self._arrays
        sites = int(np.count_nonzero(self._labels == row))
        return {
            "title": f"cell {number}",
            "rows": [
                ["type", type_names(self._scenario)[int(arrays["cell_type"][row]) - 1]],
                ["area", f"{style.number(sites * spacing**2)} µm²"],
                ["drive", style.number(float(arrays["cell_drive"][row]))],
                ["activity", style.number(float(arrays["cell_activity"][row]))],
            ],
            "receptors": [],
        }


class BedScene:
    """Vessels of a tumour.

    Parameters
    ----------
    scenario : BedScenario
    bed : Bed
    fields : bool
        Whether its oxygen and VEGF are known.
    """

    def __init__(self, scenario: BedScenario, bed: Bed, fields: bool = True) -> None:
        self._scenario, self._bed, self._fields = scenario, bed, fields

    def range(self, ground: str) -> Limits:
        """Return the lowest and the highest value of a field."""
        if ground == "oxygen" or not self._fields:
            return style.SHADES["oxygen"].limits
        return float(self._bed.vegf.min()), float(self._bed.vegf.max())

    def paint(
        self, look: Look, limits: Limits, chosen: int | None = None, scale: float | None = None
    ) -> Painted:
        """Return the picture as the assay draws it; see `Scene`."""
        bed, ground, domain = self._bed, self._ground(look.ground, limits), self._scenario.domain
        side = domain.size_um[0]
        pixels = BED_PIXELS if scale is None else round(side / domain.spacing_um * scale)
        canvas = VesselCanvas(side, ground, pixels)
        called(assay(self._scenario.assay).picture)(canvas, bed, {}, self._scenario)
        if (row := self._row(chosen)) is not None:
            canvas.ring(self._ends(row))
        return Painted(canvas.raster(), FLOW, None if ground is None else ground[0])

    def _ground(self, name: str, limits: Limits) -> tuple[Ramp, NDArray[np.float64]] | None:
        if not name or not self._fields:
            return None
        values = self._bed.oxygen if name == "oxygen" else self._bed.vegf
        return replace(grounds(self._scenario)[name], limits=limits), values

    def _row(self, number: int | None) -> int | None:
        rows = np.flatnonzero(self._bed.pieces.id == (-1 if number is None else number))
        return int(rows[0]) if rows.size else None

    def _ends(self, row: int) -> NDArray[np.float64]:
        """Return both ends (2, 2) [y, x] of a piece, um."""
        pieces, nodes = self._bed.pieces, self._bed.nodes
        ends = [pieces.a[row], pieces.b[row]]
        return np.stack([nodes.y[ends], nodes.x[ends]], axis=1)

    def find(self, y: float, x: float) -> int | None:
        """Return the id of the nearest piece of vessel, if it is near."""
        pieces, nodes = self._bed.pieces, self._bed.nodes
        if not pieces.id.size:
            return None
        size = self._scenario.domain.size_um[0]
        distance = np.hypot(
            (nodes.x[pieces.a] + nodes.x[pieces.b]) / 2 - x * size,
            (nodes.y[pieces.a] + nodes.y[pieces.b]) / 2 - y * size,
        )
        nearest = int(distance.argmin())
        return int(pieces.id[nearest]) if distance[nearest] < 0.02 * size else None

    def details(self, number: int) -> Details | None:
        """Return what is known of a piece of vessel."""
        row = self._row(number)
        if row is None:
            return None
        pieces = self._bed.pieces
        sleeve, speed = self._bed.is_sleeve[row], abs(float(pieces.velocity[row]))
        return {
            "title": f"piece of vessel {number}",
            "rows": [
                ["state", "empty sleeve" if sleeve else "living"],
                ["age", f"{style.number(float(pieces.age[row]) / 24)} days"],
                ["survival signal (0-1)", style.number(float(pieces.survival[row]))],
                ["pericyte", "yes" if pieces.pericyte[row] > 0 else "no"],
                ["flow", f"{style.number(speed) if speed > 0.01 else 0} µm/s"],
                ["length", f"{style.number(float(self._bed.lengths()[row]))} µm"],
            ],
            "receptors": [],
        }


def scene_of_frame(
    scenario: Scenario,
    seed: int,
    arrays: Mapping[str, NDArray[Any]],
    overlay: Overlay | None = None,
) -> Scene:
    """Return what there is to see of a frame, or of the end of a run.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    arrays : mapping of str to ndarray
        As in ``frames/`` or ``final.npz``.
    overlay : Overlay, optional
        What the assay draws over cells; see `overlay_of_frame`.
    """
    if isinstance(scenario, BedScenario):
        known = "oxygen" in arrays
        shape = arrays["phi"].shape
        fields = {} if known else {"oxygen": np.zeros(shape), "vegf": np.zeros(shape)}
        return BedScene(scenario, bed_of(scenario, seed, {**arrays, **fields}), fields=known)
    assert isinstance(scenario, LatticeScenario)
    if "cell_unique_id" not in arrays:  # of a run of an earlier version
        rows = int(arrays["cell_id"].max(initial=0)) + 1
        arrays = {**arrays, "cell_unique_id": np.arange(rows)}
    return CellScene(scenario, arrays, overlay)


def scene_of(model: AssayModel, fields: bool, overlay: Overlay | None = None) -> Scene:
    """Return what there is to see of a model now."""
    if isinstance(model, VesselBedModel):
        return BedScene(model.scenario, model.bed)
    assert isinstance(model, AngiogenesisModel)
    return CellScene(model.scenario, model.frame(fields=fields), overlay)


def overlay_of(model: AssayModel, *, skeleton: bool = True) -> Overlay | None:
    """Return what the assay draws over the cells of a model now; None where there are none."""
    if not isinstance(model, AngiogenesisModel):
        return None
    over = Overlay(model.scenario.shape, skeleton)
    draw = called(assay(model.scenario.assay).picture)
    draw(over, tissue_of(model), model.assay.memory, model.scenario)
    return over


def overlay_of_frame(
    scenario: LatticeScenario,
    mcs: int,
    arrays: Mapping[str, NDArray[Any]],
    end: Mapping[str, NDArray[Any]],
    *,
    skeleton: bool = True,
) -> Overlay | None:
    """Return what the assay draws over a frame; None if that cannot be known from the end.

    Parameters
    ----------
    scenario : LatticeScenario
    mcs : int
        Its step.
    arrays : mapping of str to ndarray
        As in ``frames/``.
    end : mapping of str to ndarray
        As in ``final.npz``, which has what the assay remembers.
    skeleton : bool
        Whether the skeleton of a network is drawn.
    """
    declared, domain = assay(scenario.assay), scenario.domain
    memory = {
        name.removeprefix(PREFIX): array for name, array in end.items() if name.startswith(PREFIX)
    }
    if "events" in memory:
        memory["events"] = memory["events"][memory["events"][:, 0] <= mcs]
    if declared.memory is not None:
        before = getattr(called(declared.memory), "before", None)
        if before is None:
            return None
        memory = before(memory, mcs)
    memory |= {
        name.removeprefix(PREFIX): a for name, a in arrays.items() if name.startswith(PREFIX)
    }
    lattice = arrays["cell_id"]
    cells = {
        name.removeprefix("cell_"): rows
        for name, rows in arrays.items()
        if name.startswith("cell_") and name != "cell_id"
    }
    there = np.zeros(cells["type"].size, np.bool_)
    there[np.unique(lattice)] = True
    there[0] = False
    tissue = Tissue(
        mcs=mcs, mcs_s=scenario.time.mcs_s, time_h=time_of(scenario, mcs),
        spacing_um=domain.spacing_um, periodic=domain.boundary == "periodic", lattice=lattice,
        cells={**cells, "alive": there}, fields={},
    )  # fmt: skip
    over = Overlay(scenario.shape, skeleton)
    called(declared.picture)(over, tissue, memory, scenario)
    return over


def legend(scenario: Scenario) -> Details:
    """Return the colours of what may be shown."""
    types = {name: NAMED[type_colour(k)] for k, name in enumerate(type_names(scenario), 1)}
    found: Details = {
        "cells": {
            name: {"label": ramp.label, "colours": ramp.hexes(), "limits": ramp.limits}
            for name, ramp in CELL_RAMPS.items()
            if name in ("drive", "activity")
        },
        "types": types,
        "grounds": {
            name: {"label": ramp.label, "colours": ramp.hexes()}
            for name, ramp in grounds(scenario).items()
        },
        "keys": {},
    }
    if isinstance(scenario, BedScenario):
        found["cells"]["flow"] = {
            "label": FLOW.label, "colours": FLOW.hexes(), "limits": FLOW.limits, "log": True,
        }  # fmt: skip
        found["keys"] = {
            **{look.label: look.colour for k, look in style.VESSELS.items() if k != "flow"},
            "necrosis": style.PATCHES["necrosis"],
            "tip": style.DOTS["tips"][0],
        }
    return found
