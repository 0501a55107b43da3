"""Simulated cells as a microscope would show them: phase contrast and fluorescence.

A lattice is drawn on pixels of 0.5 um, blurred, lit unevenly, binned to the pixels of a camera,
given noise, and stored with 8 bits. What can go wrong can be made worse: contrast, blur, photons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.view.run.frame import magnify

FINE_UM = 0.5
FAINT = 0.12  # share of cells that are hardly seen
Grey = NDArray[np.uint8]
Field = NDArray[np.float64]


def phase(
    cell_id: NDArray[Any],
    um_per_px: float,
    seed: int,
    *,
    spacing_um: float = 2.0,
    contrast: float = 1.0,
    blur_um: float = 0.5,
) -> Grey:
    """Phase contrast: rough cells with dark rims and bright halos on a flat background.

    Parameters
    ----------
    cell_id : (y, x) int
        0 for medium.
    um_per_px : float
        Side of a pixel, a multiple of 0.5 um.
    seed : int
    spacing_um : float
        Side of a site.
    contrast : float
        Of the cells, relative to what is usual.
    blur_um : float
        Of the optics, as the deviation of a Gaussian.
    """
    rng = np.random.default_rng([seed, 1])
    cells = _fine(cell_id, spacing_um)
    amplitude = _of_cells(cells, rng, 0.35)
    texture = 0.8 * _rough(cells.shape, rng, 0.9) + 0.6 * _rough(cells.shape, rng, 2.2)
    inside = cells > 0
    outward, inward = (ndimage.distance_transform_edt(part) * FINE_UM for part in (~inside, inside))
    edges = np.zeros(cells.shape)
    for axis in (0, 1):  # between cells, and where they end
        edges += np.abs(np.diff(cells, axis=axis, append=0) != 0)
    rim = ndimage.gaussian_filter(np.minimum(edges, 1.0), 0.7 / FINE_UM) * 2.0
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    near = amplitude[tuple(nearest)]  # of the next cell
    light = amplitude * 24 * texture - near * 45 * rim
    light += near * 30 * np.exp(-((outward / 1.8) ** 2)) * ~inside  # the halo
    light -= amplitude * 10 * np.exp(-((inward / 2.0) ** 2)) * inside
    grey = 120 + contrast * light + _debris(cells, rng, 40)
    grey = ndimage.gaussian_filter(grey, blur_um / FINE_UM) * _uneven(cells.shape, rng, 0.4)
    grey = _binned(grey, um_per_px)
    return _eight_bit(grey + rng.normal(0, 2.2, grey.shape))


def fluorescence(
    cell_id: NDArray[Any],
    um_per_px: float,
    seed: int,
    *,
    spacing_um: float = 2.0,
    photons: float = 60.0,
    background: float = 0.06,
    blur_um: float = 1.0,
) -> Grey:
    """Fluorescence: bright cells of unequal brightness in haze, counted photon by photon.

    Parameters
    ----------
    cell_id, um_per_px, seed, spacing_um, blur_um
        As for `phase`.
    photons : float
        That a pixel within a usual cell receives.
    background : float
        Light of the medium, relative to that of a usual cell.
    """
    rng = np.random.default_rng([seed, 2])
    cells = _fine(cell_id, spacing_um)
    light = _of_cells(cells, rng, 0.45) * (1 + 0.15 * _rough(cells.shape, rng, 1.5))
    sharp = ndimage.gaussian_filter(light, blur_um / FINE_UM)
    haze = ndimage.gaussian_filter(light, 20 / FINE_UM)
    debris = np.abs(_debris(cells, rng, 0.8))
    light = (sharp + 0.15 * haze + background + debris) * _uneven(cells.shape, rng, 0.4)
    counts = rng.poisson(photons * np.clip(_binned(light, um_per_px), 0, None))
    return _eight_bit(counts / (2.6 * photons) * 255 + rng.normal(4, 0.7, counts.shape))


def _fine(cell_id: NDArray[Any], spacing_um: float) -> NDArray[Any]:
    """Cells on pixels of 0.5 um, without the stairs of sites."""
    return magnify(cell_id, round(spacing_um / FINE_UM), periodic=False)


def _of_cells(cells: NDArray[Any], rng: np.random.Generator, spread: float) -> Field:
    """How strong each cell is, on its pixels; some are faint."""
    count = int(cells.max()) + 1
    strength = np.clip(1 + spread * rng.standard_normal(count), 0.4, 2.2)
    strength[rng.random(count) < FAINT] = 0.35
    strength[0] = 0
    return strength[cells]


def _rough(shape: tuple[int, ...], rng: np.random.Generator, size_um: float) -> Field:
    """Noise of deviation 1, correlated over a distance."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), size_um / FINE_UM)
    return np.asarray(field / field.std())


def _uneven(shape: tuple[int, ...], rng: np.random.Generator, by: float) -> Field:
    """Light that falls off to the sides and has a slope."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    slope = rng.normal(size=2)
    slope /= np.hypot(*slope)
    field = slope[0] * y + slope[1] * x - 0.7 * (y**2 + x**2)
    return np.asarray(1 + by * (2 * (field - field.min()) / np.ptp(field) - 1))


def _debris(cells: NDArray[Any], rng: np.random.Generator, strength: float) -> Field:
    """Specks of a few um in the medium, about 50 a square millimetre."""
    field = np.zeros(cells.shape)
    places = np.flatnonzero(cells.ravel() == 0)
    count = rng.poisson(50 * cells.size * (FINE_UM / 1000) ** 2)
    if places.size:
        field.ravel()[rng.choice(places, count)] = rng.choice([-1, 1], count) * rng.random(count)
    speck = ndimage.gaussian_filter(field, 1.2 / FINE_UM)
    return speck * strength * 2 * np.pi * (1.2 / FINE_UM) ** 2


def _binned(grey: Field, um_per_px: float) -> Field:
    k = round(um_per_px / FINE_UM)
    height, width = (n // k for n in grey.shape)
    return grey[: height * k, : width * k].reshape(height, k, width, k).mean((1, 3))


def _eight_bit(grey: Field) -> Grey:
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
