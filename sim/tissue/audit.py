"""The cells' sums, the energies and a field's step once more, from scratch and in plain NumPy.

What the kernels keep up to date must agree with this. It is far slower, and shares nothing with
them but the definitions.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.tissue.energy import Rules
from sim.tissue.exponential import eigenvalues
from sim.tissue.fields import EDGES, Field
from sim.tissue.lattice import Grid

Array = NDArray[np.float64]

PADS: dict[str, Literal["edge", "constant", "wrap"]] = {
    "no_flux": "edge", "absorbing": "constant", "periodic": "wrap",
}  # fmt: skip
"""How a field goes on beyond each edge; zeros beyond an absorbing one."""


def moments(lattice: NDArray[np.int32], anchor: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
    """Count area and sums (rows, 6) of each cell about its anchor, as `measure_cells` does."""
    yx = np.stack(np.nonzero(lattice), axis=1)
    row = lattice[yx[:, 0], yx[:, 1]]
    away = yx - anchor[row]
    if grid.periodic:
        sides = np.array([grid.height, grid.width])
        away = (away + sides // 2) % sides - sides // 2
    y, x = away.T
    sums = [
        np.bincount(row, np.asarray(of, np.float64), minlength=len(anchor))
        for of in (np.ones_like(x), x, y, x * x, y * y, x * y)
    ]
    return np.rint(np.stack(sums, axis=1)).astype(np.int64)


def energies(
    lattice: NDArray[np.int32],
    kinds: NDArray[np.int64],
    target: Array,
    alive: NDArray[np.bool_],
    counted: NDArray[np.int64],
    rules: Rules,
    grid: Grid,
) -> dict[str, float]:
    """Contact, area and length energy; see `sim.tissue.energy`.

    Parameters
    ----------
    lattice : (height, width) int32
    kinds : (rows,) int64
        Types of the cells; the last row is the wall.
    target : (rows, 2) float64
    alive : (rows,) bool
    counted : (rows, 6) int64
        What `moments` gave.
    rules, grid
        As of the tissue.
    """
    reach = int(np.abs(rules.contact_yx).max())
    around = np.pad(lattice, reach, **({"mode": "wrap"} if grid.periodic else _walls(kinds)))
    contact = 0.0
    for dy, dx in rules.contact_yx:
        other = around[reach + dy : reach + dy + grid.height, reach + dx : reach + dx + grid.width]
        costs = rules.J[kinds[lattice], kinds[other]] * (lattice != other)
        at_wall = other == len(kinds) - 1  # that pair is met from one side only
        contact += float(costs[~at_wall].sum()) / 2 + float(costs[at_wall].sum())
    n, x, y, xx, yy, xy = np.maximum(counted, [1, *[np.iinfo(np.int64).min] * 5]).T.astype(float)
    spread = np.empty((len(n), 2, 2))
    spread[:, 0, 0], spread[:, 1, 1] = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2
    spread[:, 0, 1] = spread[:, 1, 0] = xy / n - x * y / n**2
    length = 4.0 * np.sqrt(np.maximum(np.linalg.eigvalsh(spread)[:, -1], 0.0))
    stiffness = rules.stiffness[kinds]
    away = np.stack([counted[:, 0], length], axis=1) - target
    area_term, length_term = (stiffness * away**2)[alive].sum(axis=0)
    return {"contact": contact, "area": float(area_term), "length": float(length_term)}


def moved(
    c: Array,
    field: Field,
    lattice: NDArray[np.int32],
    source_of: Array,
    loss_of: Array,
    dt: float,
    substeps: int,
    held: Array | None,
) -> Array:
    """Return a field ``c`` after a time ``dt``; see `sim.tissue.Tissue.move_fields`."""
    source, loss = (_by_voxel(of, lattice, c.shape) for of in (source_of, loss_of))
    source = source if held is None else source + held
    h = dt / substeps
    for _ in range(substeps):
        if field.solver == "explicit":
            p = np.pad(c, 1, mode=PADS[field.edge])
            around = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
            c = (1.0 - h * loss) * (c + h * field.diffusion * (around - 4.0 * c)) + h * source
        else:
            c = _relaxed(c, source, loss, float(loss_of.max()), field, h)
    return c


def _relaxed(c: Array, source: Array, loss: Array, u0: float, field: Field, h: float) -> Array:
    """Exponential time differencing; see `sim.tissue.exponential`."""
    kinds: dict[str, Any] = {"no_flux": (scipy.fft.dctn, 2), "absorbing": (scipy.fft.dstn, 1)}
    back: dict[str, Any] = {"no_flux": scipy.fft.idctn, "absorbing": scipy.fft.idstn}
    along = (eigenvalues(side, EDGES[field.edge]) for side in c.shape)
    rate = field.diffusion * np.add.outer(*along) - u0
    gained = np.where(rate == 0.0, h, np.expm1(rate * h) / np.where(rate == 0.0, 1.0, rate))
    gain = source + (u0 - loss) * c
    if field.edge == "periodic":
        whole = np.exp(rate * h) * scipy.fft.fft2(c) + gained * scipy.fft.fft2(gain)
        return np.asarray(scipy.fft.ifft2(whole).real)
    forward, kind = kinds[field.edge]
    whole = np.exp(rate * h) * forward(c, kind) + gained * forward(gain, kind)
    return np.asarray(back[field.edge](whole, kind))


def _by_voxel(of: Array, lattice: NDArray[np.int32], shape: tuple[int, ...]) -> Array:
    """Mean over each voxel's sites of one number per row."""
    rows, columns = shape
    factor = lattice.shape[0] // rows
    return np.asarray(of[lattice].reshape(rows, factor, columns, factor).mean(axis=(1, 3)))


def _walls(kinds: NDArray[np.int64]) -> dict[str, Any]:
    return {"mode": "constant", "constant_values": len(kinds) - 1}
