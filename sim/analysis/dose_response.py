"""Dose-responses of the arms of a study.

The fits and expectations are in `sim.fits`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.analysis.arms import arm_of, drug_of, others, runs_with, value_of
from sim.errors import InputError
from sim.studies.plan import controls, is_control

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from sim.fits.logistic import DoseResponse
    from sim.studies.plan import Plan, PlannedRun
    from sim.studies.table import Study

    Array = NDArray[np.float64]

QUANTITIES = ("ic50", "absolute_ic50", "hill", "top", "bottom", "emax")
Labels = dict[str, Any]
"""What an arm is called in each group, and its values of what else is swept."""


@dataclass(frozen=True, repr=False)
class DoseResponses:
    """How a read-out follows the dose, in each arm of a study.

    Attributes
    ----------
    study : str
        Name of the study.
    response, dose : str
        The read-out, and the key of the dose.
    fits : dict of str to DoseResponse
        By arm: what it is called in its groups, and its values of what else is swept.
    unstimulated : dict of str to float
        By arm: the mean of its unstimulated control, if the study names one.
    labels : dict of str to dict
        By arm: its name in each group, and its values of what else is swept.
    drug : str
        Name of the drug, if all arms have the same one.
    """

    study: str
    response: str
    dose: str
    fits: dict[str, DoseResponse]
    unstimulated: dict[str, float]
    labels: dict[str, Labels]
    drug: str = ""

    def __repr__(self) -> str:
        lines = [f"  {arm}: IC50 {fit.words()}" for arm, fit in self.fits.items()]
        return "\n".join([f"<{self.response} over {self.dose}>", *lines])

    def __getitem__(self, arm: str) -> DoseResponse:
        return self.fits[arm]

    @property
    def unit(self) -> str:
        """Unit of the dose; empty if its key names none."""
        return "nM" if self.dose.endswith("_nM") else ""

    @property
    def differing(self) -> list[str]:
        """Groups and keys in which the arms differ."""
        return differing(list(self.labels.values()))

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm, as in ``dose_response.csv``."""
        import pandas as pd

        fields = [name + end for name in QUANTITIES for end in ("", "_low", "_high")]
        fields += ["determined", "replicates", "note"]
        rows = [
            [self.response, *self.labels[arm].values(), *(getattr(fit, name) for name in fields)]
            for arm, fit in self.fits.items()
        ]
        names = next(iter(self.labels.values()), {})
        return pd.DataFrame(rows, columns=["response", *names, *fields])

    def pairs(self) -> dict[tuple[str, str], DoseResponse]:
        """Return the fits by the two names in which the arms differ: row and column of a map.

        Raises
        ------
        InputError
            If the arms do not differ in exactly two groups or keys.
        """
        names = self.differing
        if len(names) != 2:
            what = ", ".join(names) or "nothing"
            raise InputError(f"a map needs arms that differ in two names, not in {what}")
        return {
            (str(self.labels[arm][names[0]]), str(self.labels[arm][names[1]])): fit
            for arm, fit in self.fits.items()
        }

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw points, curves with bands, and IC50s of all arms; return the figure.

        One panel with `ax`; otherwise one for each group, where arms differ in several names.
        """
        return hooks.draw(self, ax=ax, fig=fig)

    def plot_map(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the IC50s as a map, where arms differ in two names; return the figure.

        Raises
        ------
        InputError
            If the arms do not differ in exactly two groups or keys.
        """
        figure: Figure = hooks.call("draw_map", self, ax=ax, fig=fig)
        return figure


def dose_response(study: Study, response: str | None = None) -> DoseResponses:
    """Fit the dose-response of a read-out in every arm of a study.

    The runs named as ``unstimulated`` are the controls of the others, at the lowest dose: each arm
    has those that differ from it in nothing but the groups that are named, so that controls are of
    the same age, replicate by replicate. Without them there are no absolute IC50s.

    Parameters
    ----------
    study : Study
        A study with ``[dose_response]``.
    response : str, optional
        A read-out; by default the first that the study names.

    Raises
    ------
    InputError
        If the study has no ``[dose_response]`` or no such read-out, or is a shard.
    """
    table = study.plan.dose_response
    if not table:
        raise InputError(f"{study.plan.name}: has no [dose_response] with the key of the dose")
    study.check_not_shard()
    response = response or str(table["responses"][0])
    dose = str(table["dose"])
    found, controls = arms(study, response), controls_of(study, response)
    return DoseResponses(
        study=study.plan.name,
        response=response,
        dose=dose,
        fits={arm: _fit(*table, controls.get(arm)) for arm, table in found.items()},
        unstimulated={
            arm: float(known.mean())
            for arm, control in controls.items()
            if (known := control[control == control]).size
        },
        labels={
            arm_of(run, (dose,)): {**run.group, **others(run, (dose,))}
            for run in runs_with(study, response)
            if not _is_control(run, study.plan)
        },
        drug=drug_of(study),
    )


def differing(labels: list[Labels]) -> list[str]:
    """Return the names that have more than one value."""
    names = labels[0] if labels else ()
    return [name for name in names if len({repr(one[name]) for one in labels}) > 1]


def arms(study: Study, response: str) -> dict[str, tuple[Array, Array]]:
    """Return doses (D,), ascending, and values (replicates, D) of a read-out, by arm.

    Values of runs that are not done are NaN. The unstimulated control is no arm.

    Raises
    ------
    InputError
        If no run has that read-out.
    """
    import numpy as np

    dose = study.plan.dose_response["dose"]
    values: dict[str, dict[float, Array]] = {}
    for run in runs_with(study, response):
        if not _is_control(run, study.plan):
            columns = values.setdefault(arm_of(run, (dose,)), {})
            column = columns.setdefault(float(run.parameters[dose]), _unknown(study.plan))
            column[run.replicate - 1] = value_of(study, run, response)
    return {
        arm: (np.array(sorted(columns)), np.stack([columns[d] for d in sorted(columns)], axis=1))
        for arm, columns in values.items()
    }


def _fit(dose: Array, values: Array, control: Array | None) -> DoseResponse:
    """Fit an arm. All arms of a replicate share its seed, also where one of its runs is missing."""
    from sim.fits.fitting import fit

    return fit(dose, values, control, paired=True)


def controls_of(study: Study, response: str) -> dict[str, Array]:
    """Return the read-out of each arm's unstimulated control at the lowest dose, by replicate.

    Where arms have bases of their own, a control is that of the arms with the same base.
    """
    plan = study.plan
    dose, named = str(plan.dose_response["dose"]), controls(plan.dose_response)
    runs = [run for run in runs_with(study, response) if _is_control(run, plan)]

    def shared(run: PlannedRun) -> str:
        """Return all that a control shares with its arms."""
        group = {name: arm for name, arm in run.group.items() if name not in named}
        beside = sorted(others(run, (dose,)).items())
        return repr((sorted(group.items()), beside, plan.base_of(run)))

    lowest: dict[str, float] = {}
    for run in runs:
        lowest[shared(run)] = min(run.parameters[dose], lowest.get(shared(run), math.inf))
    values: dict[str, Array] = {}
    for run in runs:
        if run.parameters[dose] == lowest[shared(run)]:
            column = values.setdefault(shared(run), _unknown(study.plan))
            column[run.replicate - 1] = value_of(study, run, response)
    return {
        arm_of(run, (dose,)): values[shared(run)]
        for run in runs_with(study, response)
        if not _is_control(run, plan) and shared(run) in values
    }


def _is_control(run: PlannedRun, plan: Plan) -> bool:
    """Whether a run belongs to the unstimulated control."""
    return is_control(run.group, plan.dose_response)


def _unknown(plan: Plan) -> Array:
    import numpy as np

    return np.full(plan.replicates, np.nan)
