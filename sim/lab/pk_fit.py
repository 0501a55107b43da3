"""Compartment models fitted to a table of samples, and the drug file that they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import hooks
from sim.data import one_of
from sim.errors import InputError, Problem
from sim.files import plain, write_text_atomic
from sim.lab.compartment_fit import (
    CONFIDENCE,
    DERIVED,
    UNITS,
    WEIGHTS,
    Fit,
    TooFewSamplesError,
    fit_subject,
)
from sim.lab.fitted_drug import NAME, Fitted, check_species, drug_file
from sim.lab.samples import Samples, read_samples
from sim.lab.writing import write_json
from sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure


@dataclass(frozen=True, repr=False)
class PKFit:
    """Compartment models fitted to a table of samples.

    Attributes
    ----------
    samples : Samples
    weights : str
        One of `WEIGHTS`.
    species : str
    compartments : int
        Of the model that was chosen for all subjects.
    aicc : dict of int to float
        By number of compartments, the sum over the subjects to whom all models were fitted.
    fits : list of Fit
        The chosen model in each subject.
    others : list of Fit
        What else was fitted.
    failed : dict of str to str
        By subject why it was not fitted.
    """

    samples: Samples
    weights: str
    species: str
    compartments: int
    aicc: dict[int, float]
    fits: list[Fit]
    others: list[Fit]
    failed: dict[str, str]

    def __repr__(self) -> str:
        words = f"{self.compartments} compartment{'s' * (self.compartments > 1)}"
        return f"<PK fit of {self.samples.column}: {words}, {len(self.fits)} fitted>"

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """By subject what to know."""
        return {fit.subject: fit.notes for fit in self.fits} | {
            name: (f"not fitted: {reason}",) for name, reason in self.failed.items()
        }

    @property
    def typical(self) -> dict[str, float]:
        """Geometric mean of each parameter over the subjects."""
        return {
            name: float(np.exp(np.mean([math.log(fit.values[name]) for fit in self.fits])))
            for name in self.fits[0].values
        }

    @property
    def spread(self) -> dict[str, float]:
        """Coefficient of variation of each parameter between three or more subjects."""
        if len(self.fits) < 3:
            return {}
        logs = {
            name: np.log([fit.values[name] for fit in self.fits]) for name in self.fits[0].values
        }
        return {name: math.sqrt(math.expm1(float(one.var(ddof=1)))) for name, one in logs.items()}

    def table(self) -> pd.DataFrame:
        """Return a row for each subject and parameter of the chosen model."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"subject": fit.subject, "parameter": name, "value": value,
                 "low": fit.limits[name][0], "high": fit.limits[name][1],
                 "unit": (UNITS | DERIVED)[name]}
                for fit in self.fits
                for name, value in fit.values.items()
            ]
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, as in ``pk-fit.json``."""
        spread = self.spread
        found: dict[str, Any] = plain({
            "version": __version__,
            "column": self.samples.column,
            "weights": self.weights,
            "confidence": CONFIDENCE,
            "compartments": self.compartments,
            "aicc": self.aicc,
            "typical": self.typical,
            "cv_percent": {name: 100.0 * value for name, value in spread.items()} or None,
            "fits": [fit.to_dict() for fit in self.fits],
            "other_models": [fit.to_dict() for fit in self.others],
            "failed": self.failed,
            "notes": self.samples.notes,
        })  # fmt: skip
        return found

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw samples and fitted curves, also into a given figure."""
        return hooks.draw(self, fig=fig)

    def drug_file(self) -> str:
        """Return a drug file with the fitted pharmacokinetics, as in ``drug.toml``."""
        count, spread = len(self.fits), self.spread
        only = self.fits[0].limits if count == 1 else {}
        parameters = {
            name: Fitted(
                value, UNITS[name], spread.get(name),
                "fitted, 95 % limits {:.3g} to {:.3g}".format(*only[name])
                if only else f"geometric mean of {count} subjects",
            )
            for name, value in self.typical.items() if name in UNITS
        }  # fmt: skip
        source = (
            f"fitted to {sum(len(fit.time_h) for fit in self.fits)} samples of {count} "
            f"subject{'s' * (count != 1)}, weights {self.weights}"
        )
        return drug_file(self.samples, self.species, parameters, source)

    def write(self, folder: str | Path) -> None:
        """Write ``pk-fit.json``, ``drug.toml`` and ``pk-fit.png`` into a folder that exists."""
        folder = Path(folder)
        write_json(self, folder / "pk-fit.json")
        write_text_atomic(folder / f"{NAME}.toml", self.drug_file())
        hooks.call("save_figures", {"pk-fit.png": self.plot}, folder, None)


def pk_fit(
    table: Any,
    *,
    time: str = "time_h",
    conc: str | None = None,
    subject: str | None = None,
    dose_mg: float | None = None,
    doses: Any = None,
    route: str = "oral",
    infusion_h: float = 0.0,
    drug: str | Path | None = None,
    molar_mass: float | None = None,
    compartments: int | None = None,
    weights: str = "1/y^2",
    species: str = "human",
) -> PKFit:
    """Fit one and two compartments to samples by weighted least squares, in each subject.

    Parameters of the table are those of `sim.lab.samples.read_samples`.

    Parameters
    ----------
    compartments : {1, 2}, optional
        Fit this model only; by default the one with the lower AICc (summed over the subjects).
    weights : {"1/y^2", "1/y", "1"}
        Weights of the residuals, y being the fitted concentration: an error in per cent, between
        both, or of the same size everywhere.
    species : str
        Whose samples they are: in the drug file that `PKFit.write` leaves.

    Raises
    ------
    InputError
        If the table, a column or a dose is wrong, or no subject has enough samples.
    """
    samples = read_samples(
        table, time=time, conc=conc, subject=subject, dose_mg=dose_mg, doses=doses, route=route,
        infusion_h=infusion_h, drug=drug, molar_mass=molar_mass,
    )  # fmt: skip
    if weights not in WEIGHTS:
        raise InputError(str(Problem("--weights", weights, one_of(WEIGHTS))))
    if compartments not in (None, 1, 2):
        raise InputError(str(Problem("--compartments", compartments, "must be 1 or 2")))
    check_species(species)
    numbers = (1, 2) if compartments is None else (compartments,)
    found: dict[int, dict[str, Fit]] = {number: {} for number in numbers}
    failed: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for one in samples.subjects:
        for number in numbers:
            try:
                found[number][one.name] = fit_subject(one, samples.mg_per_L, number, weights)
            except TooFewSamplesError as error:
                failed[number][one.name] = str(error)
    both = set.intersection(*(set(fits) for fits in found.values()))
    aicc = {n: sum(fits[name].aicc for name in both) for n, fits in found.items() if both}
    best = min(aicc, key=lambda n: aicc[n]) if both else numbers[0]
    if not found[best]:
        reasons = "; ".join(f"{name}: {why}" if name else why for name, why in failed[best].items())
        raise InputError(f"no subject could be fitted: {reasons}")
    return PKFit(
        samples,
        weights,
        species,
        best,
        aicc,
        list(found[best].values()),
        [fit for n, fits in found.items() if n != best for fit in fits.values()],
        failed[best],
    )
