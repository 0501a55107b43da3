"""Made-up finished runs with everything that a picture reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from sim.scenario.treatment import Drug


def forget_checksums(folder: Path) -> None:
    """Make the manifest of a run one without checksums, so that its files can be changed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"], manifest["checksum"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def draw_cells(
    shape: tuple[int, int], *, seed: int = 1, loops: int = 30, density: float = 1.0
) -> np.ndarray[Any, Any]:
    """Return cell ids along the ridges of a periodic Voronoi diagram, about 100 sites a cell."""
    rng = np.random.default_rng(seed)
    height, width = shape
    site = np.stack(np.indices(shape), axis=-1).reshape(-1, 2).astype(float)
    site += rng.normal(scale=0.4, size=site.shape)
    centres = rng.uniform(size=(loops, 2)) * shape
    near, _ = cKDTree(centres, boxsize=shape).query(site % shape, k=2)
    ridge = near[:, 1] - near[:, 0] < 7.0 + 2.0 * np.sin(site[:, 0] / 17) * np.cos(site[:, 1] / 13)
    ridge &= rng.uniform(size=loops)[cKDTree(centres).query(site)[1]] < density
    where = np.flatnonzero(ridge)
    cell_id = np.zeros(height * width, dtype=np.int32)
    if where.size:
        seeds = rng.choice(where, size=max(1, where.size // 100), replace=False)
        cell_id[where] = cKDTree(site[seeds]).query(site[where])[1] + 1
    return cell_id.reshape(shape)


def make_result(
    *,
    size: int = 120,
    cells: np.ndarray[Any, Any] | None = None,
    boundary: str = "walls",
    signalling: bool = True,
    free_nM: float = 5.6,
    records: int = 13,
    fields: bool = True,
    seed: int = 1,
    name: str = "tube_formation_anlotinib",
    **ligands: float,
) -> SimpleNamespace:
    """Return a made-up finished run with everything that a picture reads."""
    rng = np.random.default_rng(seed)
    if cells is None:
        cells = draw_cells((size, size), seed=seed, loops=max(6, size**2 // 5200))
    count = int(cells.max()) + 1
    height, width = cells.shape
    time = np.linspace(0, 6, records) if records > 1 else np.array([0.0])
    rise = 1 - np.exp(-time / 1.5)
    free = np.where(time >= 1, free_nM, 0.0) if records > 1 else np.full(1, free_nM)
    table = pd.DataFrame(
        {
            "time_h": time,
            "mcs": (time * 120).astype(int),
            "total_nM": free,
            "free_nM": free,
            **{
                f"inhibition_{receptor}": free / (free + ic50)
                for receptor, ic50 in (("VEGFR2", 5.6), ("PDGFRB", 8.7), ("FGFR1", 11.7))
            },
            "mean_drive": 0.85 * rise - 0.3 * rise * (free > 0),
            "covered_fraction": 0.22 + 0.01 * rise,
            "tube_length_mm": 4 + 9 * rise,
            "total_length_mm": 6 + 8 * rise,
            "junctions": np.round(150 * rise),
            "meshes": np.round(46 * rise**3),
            "largest_part_fraction": 0.05 + 0.9 * rise**4,
            "mean_mesh_area_um2": np.where(rise > 0.5, 4000.0, np.nan),
        }
    )
    final: dict[str, np.ndarray[Any, Any]] = {
        "cell_id": cells,
        "cell_drive": np.clip(rng.normal(0.6, 0.22, count), 0, 1),
    }
    if fields:
        y, x = np.indices((height // 5, width // 5))
        final["field_VEGF"] = 48.0 + 1.7 * np.sin(x / 9) * np.cos(y / 7)
        final["spacing_um_VEGF"] = np.array(10.0)
        final["field_cue"] = (cells > 0) * (0.4 + 0.6 * rng.random((height, width)))
        final["spacing_um_cue"] = np.array(2.0)
    scenario = SimpleNamespace(
        name=name,
        seed=seed,
        domain=SimpleNamespace(
            size_um=(width * 2.0, height * 2.0), spacing_um=2.0, boundary=boundary
        ),
        ligands={
            key: SimpleNamespace(bath_ng_ml=value, gradient=None, media=())
            for key, value in ({"VEGF": 50.0, "FGF2": 0.0} | ligands).items()
        },
        drug=Drug(name="anlotinib", potency="lin2018"),
        partner=None,
        signalling=SimpleNamespace(enabled=signalling),
        assay="tube_formation",
        time=SimpleNamespace(mcs_s=30.0, start_h=0.0),
        engine=SimpleNamespace(area=SimpleNamespace(target_sites=100)),
        readout=SimpleNamespace(closing_um=5.0),
    )
    return SimpleNamespace(
        scenario=scenario,
        seed=seed,
        summary={"cells": count - 1},
        timeseries=table,
        final=final,
        tables={},
        manifest={"version": "0.1.0", "scenario_hash": "0123abcd"},
    )
