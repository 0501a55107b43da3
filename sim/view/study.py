"""The pictures that a study leaves in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.study.results import StudyResult


def write_pictures(study: StudyResult) -> None:
    """Write the pictures that a whole study asks for; of a shard, or without a folder, none."""
    if study.folder is None or len(study.runs) < len(study.plan.runs):
        return
    if study.plan.sensitivity:
        from sim.view.sensitivity import write_sensitivity_pictures

        write_sensitivity_pictures(study)
