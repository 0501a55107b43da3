"""How well least squares determine the parameters, from the trials of the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAR = 4  # trials for each number that is estimated: the slopes and the level


def standard_errors(shares: Array, residuals: Array, scatter: Array) -> Array | None:
    """Return the standard errors of parameters at the lowest of several chi-squares.

    The slopes J of the residuals are fitted to the trials with the lowest chi-square, as many as
    `NEAR` times the numbers to estimate. With A = J J', the covariance is
    A^-1 J (1 + scatter) J' A^-1 (Press et al., Numerical Recipes, 3rd ed. 2007, section 15.4, with
    the noise of simulated means added to that of the data). Noise in the slopes makes J J' too
    large, so what it adds on average is taken off; where nothing is left, the effect is not
    distinguishable from noise, and nothing is determined.

    That is the error of the minimum. The lowest trial lies beside it, by about the Gauss-Newton
    step -A^-1 J r with its residuals r (section 15.5); its square is added to the variance.

    Parameters
    ----------
    shares : (n, P) array
        Parameters of the trials.
    residuals : (n, T) array
        (mean - value) / standard error of each value, by trial.
    scatter : (T,) array
        Variance of a simulated mean over that of the value.

    Returns
    -------
    (P,) array or None
        In units of `shares`; None where the trials do not determine it.
    """
    size = shares.shape[1] + 1
    near = np.argsort((residuals**2).sum(axis=1), kind="stable")[: NEAR * size]
    if near.size <= size:
        return None
    design = np.column_stack([np.ones(near.size), shares[near]])
    if np.linalg.matrix_rank(design) < size:
        return None
    fitted, *_ = np.linalg.lstsq(design, residuals[near])
    unexplained = ((residuals[near] - design @ fitted) ** 2).sum() / (near.size - size)
    slopes = fitted[1:]
    curvature = slopes @ slopes.T - unexplained * np.linalg.inv(design.T @ design)[1:, 1:]
    values, vectors = np.linalg.eigh(curvature)
    if values[0] <= 1e-9 * abs(values[-1]):
        return None
    inverse = vectors / values @ vectors.T
    covariance = inverse @ (slopes * (1 + scatter)) @ slopes.T @ inverse
    step = inverse @ slopes @ residuals[near[0]]
    errors: Array = np.sqrt(np.diag(covariance) + step**2)
    return errors
