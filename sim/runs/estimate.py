"""What a run will need: memory, disk and time, from the sizes of its arrays and stated costs."""

from __future__ import annotations

from dataclasses import dataclass

from sim.scenario.schema import LatticeScenario, Scenario

MB = 1_000_000
UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6))

# -- memory, bytes: arrays as they are allocated; the rest measured as peak resident memory --------

LIBRARIES = 300 * MB
"""Of a process with the libraries and the compiled kernels of a model."""
PICTURES = 50 * MB
"""More with the library that draws."""
DRAWN_SITE = 100
"""While a picture of the cells is drawn: colours, enlarged, twice."""
NETWORK_SITE = 44
"""While a network is measured: 28 of the skeleton, and masks."""
SITE, VOXEL, BED_VOXEL, CELL, ROW = 4, 8, 150, 400, 1000
"""Of the lattice, a field, all that a bed holds, a cell's columns and agent, a row of records."""

# -- disk, bytes: compressed, measured on the shipped scenarios ------------------------------------

FIXED = 1_200_000
"""Pictures, scenario, manifest, log."""
PICTURE_SITE, KEPT_SITE, KEPT_VOXEL, KEPT_CELL, KEPT_ROW, KEPT_PLACE = 0.3, 0.25, 7.0, 300, 400, 40
"""Of pictures, lattices, fields, cells, a row of the time series, a position of a track."""
CHECKPOINTS = 2
"""Kept beside those of ``record.checkpoint``."""

# -- processor time of one thread, seconds; measured ----------------------------------------------

START_S = 4.0
"""Imports, kept kernels, pictures."""
SITE_S, SUBSTEP_S, VOXEL_S = 15e-9, 0.4e-9, 40e-9
"""Of a site in a step with its receptors; of a voxel in an explicit sub-step, in an exponential."""
BED_S = 350e-9
"""Of a voxel of a bed in a step of one hour."""
MEASURED_SITE_S = 130e-9
"""Of a site in one record."""


@dataclass(frozen=True)
class Estimate:
    """What a run will need.

    Attributes
    ----------
    memory : int
        Peak memory of its process, bytes, with pictures; while kernels are compiled, which is done
        once on a machine, some 200 MB more.
    memory_bare : int
        The same without folder and pictures, as in a study: snapshots are kept in memory.
    disk : int
        Its folder, bytes.
    seconds : float
        Processor time; a machine may take half or twice as long.
    steps, sites, frames : int
        Steps, sites of the lattice or voxels of a bed, and snapshots.
    """

    memory: int
    memory_bare: int
    disk: int
    seconds: float
    steps: int
    sites: int
    frames: int


def estimate(scenario: Scenario, *, bare_frames: bool = True) -> Estimate:
    """Return what a run of a scenario will need.

    Parameters
    ----------
    scenario : Scenario
    bare_frames : bool
        Whether snapshots are kept in memory where there is no folder.
    """
    height, width = scenario.shape
    sites, time, record = height * width, scenario.time, scenario.record
    rows = 1 - (-time.steps // time.steps_per_record)
    frames = rows if record.frames else 0
    kept_frames = frames if bare_frames else 0
    if isinstance(scenario, LatticeScenario):
        cells = _cells(scenario, sites)
        voxels = _voxels(scenario)
        state = SITE * sites + VOXEL * voxels + CELL * cells
        frame = SITE * sites + (VOXEL * voxels if record.fields else 0) + 40 * cells
        working, drawn = NETWORK_SITE * sites, DRAWN_SITE * sites
        kept = KEPT_SITE * sites + KEPT_VOXEL * voxels + KEPT_CELL * cells
        kept_frame = KEPT_SITE * sites + (KEPT_VOXEL * voxels if record.fields else 0.0)
        kept_frame += KEPT_CELL / 10 * cells
        step_s = SITE_S * sites + _fields_s(scenario)
        every_min = getattr(scenario.readout, "every_min", None)  # of an assay with tracks
        places = cells * (time.steps * time.mcs_s / 60 / every_min + 1) if every_min else 0.0
    else:
        cells, voxels, places = 0, 4 * sites, 0.0
        state, frame, working, drawn = BED_VOXEL * sites, 4 * VOXEL * sites, 0, 0
        kept = KEPT_VOXEL * voxels + 400 * KEPT_CELL
        kept_frame = kept if record.fields else kept - KEPT_VOXEL * voxels / 2
        step_s = BED_S * sites
    table = ROW * rows
    checkpoints = CHECKPOINTS + len(set(record.checkpoint))
    return Estimate(
        # the model, its last sound state, and the final one
        memory=LIBRARIES + PICTURES + 3 * state + max(working, state, drawn) + table,
        memory_bare=LIBRARIES + 2 * state + working + table + (kept_frames * frame),
        disk=int(
            FIXED + PICTURE_SITE * sites + (1 + checkpoints) * kept + frames * kept_frame
            + KEPT_ROW * rows + KEPT_PLACE * places
        ),
        seconds=START_S + time.steps * step_s + rows * MEASURED_SITE_S * sites,
        steps=time.steps,
        sites=sites,
        frames=frames,
    )  # fmt: skip


def in_bytes(number: float) -> str:
    """Return a number of bytes as people read it: ``370 MB``, ``4.1 GB``."""
    unit, size = next((one for one in UNITS if number >= one[1]), UNITS[-1])
    digits = 2 if unit != "MB" and number < 9.995 * size else 0
    return f"{max(1.0, number / size):,.{digits}f} {unit}"


def _cells(scenario: LatticeScenario, sites: int) -> int:
    """Cells at the start; where a layer is whole or cells divide, as many as have room."""
    (x, y), cells = scenario.domain.size_um, scenario.cells
    given = cells.count
    if given is None and cells.density_per_mm2 is not None:
        given = round(cells.density_per_mm2 * x * y * 1e-6)
    room = round(sites / scenario.engine.area.target_sites)
    further = sum(kind.count for kind in scenario.types.values())
    return (room if given is None or cells.division else given) + further


def _voxels(scenario: LatticeScenario) -> int:
    shapes = (scenario.voxels(name) for name in scenario.fields)
    return sum(rows * columns for rows, columns in shapes)


def _fields_s(scenario: LatticeScenario) -> float:
    """Processor time of all fields in a step."""
    found = 0.0
    for name, field in scenario.fields.items():
        rows, columns = scenario.voxels(name)
        each_s = SUBSTEP_S if field.solver == "explicit" else VOXEL_S
        found += each_s * field.substeps * rows * columns
    return found
