"""Label pictures: who is on each site, as files of other tools.

A picture is an array [y, x] of cell ids, 0 for none; column 0 and row 0 begin at x = y = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_16_BIT = 65_535
UM_PER_INCH = 25_400.0


def label_type(most: int) -> np.dtype[Any]:
    """Return the type of numbers for ids up to this: 16 bits, or 32 where they do not fit."""
    import numpy as np

    return np.dtype(np.uint16 if most <= MOST_16_BIT else np.uint32)


def write_png(path: Path, cell_id: NDArray[Any], spacing_um: float) -> None:
    """Write a picture of 16 bits, whose greatest id is at most `MOST_16_BIT`."""
    from PIL import Image

    picture = Image.fromarray(cell_id.astype(label_type(int(cell_id.max(initial=0)))))
    dots = UM_PER_INCH / spacing_um
    picture.save(path, dpi=(dots, dots))


def write_npy(path: Path, cell_id: NDArray[Any]) -> None:
    """Write a NumPy array of int32."""
    import numpy as np

    np.save(path, cell_id.astype(np.int32), allow_pickle=False)


def write_piff(path: Path, cell_id: NDArray[Any], names: Mapping[int, str]) -> None:
    """Write the lattice file of CompuCell3D (PIFF).

    A line is ``id type x1 x2 y1 y2 z1 z2``, ends included: one for each run of sites along x.
    Medium, which CompuCell3D has wherever nothing is placed, has none.

    Parameters
    ----------
    path : Path
    cell_id : (y, x) int
    names : mapping of int to str
        Name of the type of each cell, by its id.
    """
    import numpy as np

    new = np.ones(cell_id.shape, dtype=bool)
    new[:, 1:] = cell_id[:, 1:] != cell_id[:, :-1]
    y, first = np.nonzero(new)
    last = np.append(first[1:], 0) - 1
    last[last < 0] = cell_id.shape[1] - 1
    ids = cell_id[y, first]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for cell, row, begin, end in zip(
            ids.tolist(), y.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            if cell:
                file.write(f"{cell} {names[cell]} {begin} {end} {row} {row} 0 0\n")
