"""All that a study asks for, computed once: written, drawn and reported from there."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.analysis.combination import Combinations, compare_parts
from sim.analysis.courses import Courses, courses
from sim.analysis.dose_response import DoseResponses, dose_response
from sim.analysis.panel import Panel, compares_assays, panel_of
from sim.analysis.sensitivity import MAIN, Sensitivity, sensitivity
from sim.studies.table import Study


@dataclass(frozen=True)
class Analysis:
    """Results of the analysis of a study.

    Attributes
    ----------
    study : Study
        The whole study.
    dose_responses : list of DoseResponses
    combinations : list of Combinations
    sensitivities : list of Sensitivity
        One for each read-out that the study names.
    panel : Panel or None
        Of a study of several assays under doses of a drug.
    courses : Courses or None
        Of a study that keeps read-outs over time.
    """

    study: Study
    dose_responses: list[DoseResponses] = field(default_factory=list)
    combinations: list[Combinations] = field(default_factory=list)
    sensitivities: list[Sensitivity] = field(default_factory=list)
    panel: Panel | None = None
    courses: Courses | None = None

    def findings(self) -> list[str]:
        """Return a line for each read-out and arm: its IC50, and what it depends on most."""
        lines = []
        for curves in self.dose_responses:
            for arm, fit in curves.fits.items():
                why = "" if fit.determined else f": {fit.note}"
                words = fit.words()
                ic50 = words if words == "not determined" else f"{words} {curves.unit}".rstrip()
                lines.append(f"{curves.response}, {arm}: IC50 {ic50}{why}")
        lines += self.panel.findings() if self.panel else []
        for found in self.sensitivities:
            for arm, indices in found.arms.items():
                most, main = indices.ranked()[0], MAIN[indices.method]
                value = indices.parameters[most][main]
                said = indices.note
                if value is not None:
                    said = f"depends most on {most} ({main} {value:.3g})"
                lines.append(f"{found.response}, {arm}: {said}")
        return lines


def analyse(study: Study) -> Analysis:
    """Compute what a study asks for: nothing of a shard, or while runs are still planned.

    Raises
    ------
    InputError
        If it names a read-out that no run has.
    """
    plan = study.plan
    if not study.is_complete:
        return Analysis(study)
    curves = [dose_response(study, each) for each in plan.dose_response.get("responses", ())]
    return Analysis(
        study,
        dose_responses=curves,
        combinations=[compare_parts(study, each) for each in curves] if plan.combination else [],
        sensitivities=[sensitivity(study, response) for response in plan.sensitivity],
        panel=panel_of(study, curves) if compares_assays(plan) else None,
        courses=courses(study) if plan.course else None,
    )
