"""Virtual populations: subjects who differ as published populations do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, sqrt
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.compartments import Compartments
from sim.pharmacology.drugs import PARAMETERS, Kinetics, Potency

Array = NDArray[np.float64]

_POPULATION, _POTENCIES = 0x504F50, 0x504F54  # keep these draws apart from others of the seed


MOST_SUBJECTS = 100_000


def draw_subjects(
    kinetics: Kinetics, n: int, seed: int, weight_kg: float | None = None
) -> Compartments:
    """Return the model with one value of each parameter for each of `n` subjects.

    A log-normal parameter is value exp(omega z), omega^2 = ln(1 + CV^2), so the typical value is
    the median; the z are standard normal with the stated correlations. A range is uniform.
    Subject i depends on the seed and i alone, whatever `n`; ``model.subject(i)`` takes one out.

    Parameters
    ----------
    kinetics : Kinetics
        Typical values, spread and correlations.
    n : int
        Number of subjects, at least 1.
    seed : int
        At least 0.
    weight_kg : float, optional
        Body weight of all; that of the species if None.

    Raises
    ------
    InputError
        If `n` or `seed` is out of range, or the correlations are inconsistent.
    """
    if not 1 <= n <= MOST_SUBJECTS:
        allowed = f"must be from 1 to {MOST_SUBJECTS:,}"
        raise InputError(str(Problem("subjects", n, allowed)))
    if seed < 0:
        raise InputError(str(Problem("seed", seed, "must be at least 0")))
    normal = np.empty((n, len(PARAMETERS)))
    uniform = np.empty_like(normal)
    for subject in range(n):
        sequence = np.random.SeedSequence([seed, _POPULATION, subject])
        draws = np.random.Generator(np.random.PCG64(sequence))
        normal[subject] = draws.standard_normal(len(PARAMETERS))
        uniform[subject] = draws.random(len(PARAMETERS))
    z = normal @ _root(kinetics).T
    values: dict[str, Array] = {}
    for column, key in enumerate(PARAMETERS):
        parameter = kinetics.parameters.get(key)
        if parameter is None:
            continue
        if parameter.between is not None:
            low, high = parameter.between
            values[key] = low + (high - low) * uniform[:, column]
        else:
            omega = sqrt(log(1.0 + parameter.cv**2))
            values[key] = parameter.value * np.exp(omega * z[:, column])
    return kinetics.model(weight_kg, values)


def draw_potencies(
    potency: Potency, cv: Mapping[str, float], n: int, seed: int
) -> dict[str, Array]:
    """Return the IC50 of each receptor in each of `n` subjects, nM.

    Log-normal with the published value as the median, independent of each other and of the
    pharmacokinetics. Subject i depends on the seed and i alone, whatever `n`.

    Parameters
    ----------
    potency : Potency
        Typical values.
    cv : mapping of str to float
        Coefficient of variation by receptor; the others do not vary.
    n : int
        Number of subjects.
    seed : int
        That of the population.
    """
    found = {}
    for receptor, ic50_nM in potency.ic50_nM.items():
        z = np.zeros(n)
        if cv.get(receptor):
            sequence = np.random.SeedSequence([seed, _POTENCIES, crc32(receptor.encode())])
            z = np.random.Generator(np.random.PCG64(sequence)).standard_normal(n)
        found[receptor] = ic50_nM * np.exp(sqrt(log(1.0 + cv.get(receptor, 0.0) ** 2)) * z)
    return found


def bands(values: ArrayLike, percents: Sequence[float] = (5, 50, 95)) -> Array:
    """Return percentiles over subjects.

    Parameters
    ----------
    values : array_like, shape (subjects, ...)
        Such as concentrations.
    percents : sequence of float
        From 0 to 100.

    Returns
    -------
    array, shape (percents, ...)
    """
    return np.asarray(np.percentile(np.asarray(values), percents, axis=0))


def _root(kinetics: Kinetics) -> Array:
    """Return L with L L^T = the matrix of correlations (Cholesky; a correlation may be 1)."""
    names = list(PARAMETERS)
    matrix = np.eye(len(names))
    for (one, other), value in kinetics.correlation.items():
        a, b = names.index(one), names.index(other)
        matrix[a, b] = matrix[b, a] = value
    root = np.zeros_like(matrix)
    for row in range(len(names)):
        for column in range(row):
            if root[column, column] > 0.0:
                rest = matrix[row, column] - root[row, :column] @ root[column, :column]
                root[row, column] = rest / root[column, column]
        root[row, row] = sqrt(max(0.0, 1.0 - float(root[row, :row] @ root[row, :row])))
    if not np.allclose(root @ root.T, matrix, atol=1e-12):
        where = f"pk.{kinetics.species}.{kinetics.name}.correlation of {kinetics.drug}"
        raise InputError(f"{where}: these correlations are inconsistent")
    return root
