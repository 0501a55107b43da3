"""What a study's table says: dose-responses of its arms. The fits are in `sim.assay`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.errors import InputError
from sim.files import write_text_atomic
from sim.study.arms import arm_of, others, value_of
from sim.study.folder import plain
from sim.study.ledger import PLANNED
from sim.study.sensitivity import SENSITIVITY, SENSITIVITY_TABLE, write_sensitivity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.assay.dose_response import DoseResponse
    from sim.study.design import Plan, PlannedRun
    from sim.study.results import StudyResult

    Array = NDArray[np.float64]

DOSE_RESPONSE = "dose_response.json"


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
    """

    study: str
    response: str
    dose: str
    fits: dict[str, DoseResponse]
    unstimulated: dict[str, float]

    def __repr__(self) -> str:
        lines = [f"  {arm}: IC50 {fit.words()}" for arm, fit in self.fits.items()]
        return "\n".join([f"<{self.response} over {self.dose}>", *lines])

    def __getitem__(self, arm: str) -> DoseResponse:
        return self.fits[arm]


def dose_response(study: StudyResult, response: str | None = None) -> DoseResponses:
    """Fit the dose-response of a read-out in every arm of a study.

    The runs named as ``unstimulated`` are the controls of the others, at the lowest dose: each arm
    has those that differ from it in nothing but the groups that are named, so that controls are of
    the same age, replicate by replicate. Without them there are no absolute IC50s.

    Parameters
    ----------
    study : StudyResult
        A study with ``[dose_response]``.
    response : str, optional
        A read-out; by default the first that the study names.

    Raises
    ------
    InputError
        If the study has no ``[dose_response]``, or no such read-out.
    """
    from sim.assay.dose_response import fit

    table = study.plan.dose_response
    if not table:
        raise InputError(f"{study.plan.name}: has no [dose_response] with the key of the dose")
    response = response or str(table["responses"][0])
    found, controls = arms(study, response), _controls(study, response)
    return DoseResponses(
        study=study.plan.name,
        response=response,
        dose=table["dose"],
        fits={arm: fit(*table, controls.get(arm)) for arm, table in found.items()},
        unstimulated={
            arm: float(control[control == control].mean()) for arm, control in controls.items()
        },
    )


def arms(study: StudyResult, response: str) -> dict[str, tuple[Array, Array]]:
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
    for run in study.runs:
        if not _is_control(run, study.plan):
            columns = values.setdefault(arm_of(run, (dose,)), {})
            column = columns.setdefault(float(run.parameters[dose]), _unknown(study.plan))
            column[run.replicate - 1] = value_of(study, run, response)
    return {
        arm: (np.array(sorted(columns)), np.stack([columns[d] for d in sorted(columns)], axis=1))
        for arm, columns in values.items()
    }


def write_analysis(study: StudyResult) -> None:
    """Write what a study asks for: ``dose_response.json`` and the files of its sensitivity.

    What is there is of an earlier table, so it is removed where nothing is made: while runs are
    still planned, and when the study does not ask for it any more.
    """
    if study.folder is None:
        return
    for name in (DOSE_RESPONSE, SENSITIVITY, SENSITIVITY_TABLE):
        (study.folder / name).unlink(missing_ok=True)
    if study.count(PLANNED):
        return
    write_sensitivity(study)
    if not study.plan.dose_response:
        return
    fits = {
        response: {arm: fit.as_dict() for arm, fit in dose_response(study, response).fits.items()}
        for response in study.plan.dose_response["responses"]
    }
    text = json.dumps(plain(fits), indent=2, allow_nan=False, ensure_ascii=False)
    write_text_atomic(study.folder / DOSE_RESPONSE, text + "\n")


def _controls(study: StudyResult, response: str) -> dict[str, Array]:
    """Return the read-out of each arm's unstimulated control at the lowest dose, by replicate."""
    dose, named = (study.plan.dose_response.get(key, {}) for key in ("dose", "unstimulated"))
    runs = [run for run in study.runs if _is_control(run, study.plan)]

    def alike(run: PlannedRun) -> str:
        """Return all that a control shares with its arms."""
        group = {name: arm for name, arm in run.group.items() if name not in named}
        return repr((sorted(group.items()), sorted(others(run, (dose,)).items())))

    lowest: dict[str, float] = {}
    for run in runs:
        lowest[alike(run)] = min(run.parameters[dose], lowest.get(alike(run), math.inf))
    values: dict[str, Array] = {}
    for run in runs:
        if run.parameters[dose] == lowest[alike(run)]:
            column = values.setdefault(alike(run), _unknown(study.plan))
            column[run.replicate - 1] = value_of(study, run, response)
    return {
        arm_of(run, (dose,)): values[alike(run)]
        for run in study.runs
        if not _is_control(run, study.plan) and alike(run) in values
    }


def _is_control(run: PlannedRun, plan: Plan) -> bool:
    """Whether a run belongs to the unstimulated control."""
    named = plan.dose_response.get("unstimulated", {})
    return bool(named) and all(run.group[name] == arm for name, arm in named.items())


def _unknown(plan: Plan) -> Array:
    import numpy as np

    return np.full(plan.replicates, np.nan)
