"""Label pictures and the lattice files of CompuCell3D, one for each moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.labels import MOST_16_BIT, write_npy, write_piff, write_png
from sim.view.export.snapshots import Snapshots


def write(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write a NumPy array of each moment, and a PNG where 16 bits are enough for the ids."""
    for one in run:
        path = folder / f"cell_id_{one.step:06d}.npy"
        write_npy(path, one.cell_id)
        yield path
        if one.cell_id.max(initial=0) <= MOST_16_BIT:
            write_png(path.with_suffix(".png"), one.cell_id, one.spacing_um)
            yield path.with_suffix(".png")


def write_piffs(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write a PIFF of each moment."""
    for one in run:
        path = folder / f"cells_{one.step:06d}.piff"
        names = {cell: "_".join(name.split()) for cell, name in one.type_names.items()}
        write_piff(path, one.cell_id, names)
        yield path
