"""angiosim: in-silico assays of angiogenesis, from dose to network.

``import sim`` is quick: everything but the version is imported when first used.
"""

from __future__ import annotations

import sim.signals  # isort: skip  # noqa: F401  # first: the rest takes a while
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.version import __version__

if TYPE_CHECKING:
    from sim.api import calibrate, design, estimate, load, pk, run, sweep
    from sim.calibration.result import Calibration
    from sim.design.result import Design
    from sim.errors import (
        CheckpointWarning,
        NumericalError,
        OutOfTime,
        PictureWarning,
        RunWarning,
        ScenarioWarning,
    )
    from sim.lab.checkerboard import checkerboard
    from sim.lab.fit import fit
    from sim.lab.folder import measure
    from sim.lab.nca import nca
    from sim.lab.pk_fit import pk_fit
    from sim.lab.plate import plate
    from sim.model import model_of
    from sim.model.bed import VesselBedModel
    from sim.model.clock import AngiogenesisModel
    from sim.runs.estimate import Estimate
    from sim.runs.pk import PK
    from sim.runs.pk_comparison import PKComparison
    from sim.runs.result import Result
    from sim.studies.table import Study
    from sim.view.film.observer import Film
    from sim.view.report.report import report


__all__ = [
    "PK", "AngiogenesisModel", "Calibration", "CheckpointWarning", "Design", "Estimate", "Film",
    "NumericalError", "OutOfTime", "PKComparison", "PictureWarning", "Result", "RunWarning",
    "ScenarioWarning", "Study", "VesselBedModel", "__version__", "calibrate", "checkerboard",
    "design", "estimate", "fit", "load", "measure", "model_of", "nca", "pk", "pk_fit", "plate",
    "report", "run", "sweep",
]  # fmt: skip

_HOME = {
    "AngiogenesisModel": "sim.model.clock",
    "Calibration": "sim.calibration.result",
    "CheckpointWarning": "sim.errors",
    "Design": "sim.design.result",
    "Estimate": "sim.runs.estimate",
    "Film": "sim.view.film.observer",
    "NumericalError": "sim.errors",
    "OutOfTime": "sim.errors",
    "PK": "sim.runs.pk",
    "PKComparison": "sim.runs.pk_comparison",
    "PictureWarning": "sim.errors",
    "Result": "sim.runs.result",
    "RunWarning": "sim.errors",
    "ScenarioWarning": "sim.errors",
    "Study": "sim.studies.table",
    "VesselBedModel": "sim.model.bed",
    "calibrate": "sim.api",
    "checkerboard": "sim.lab.checkerboard",
    "design": "sim.api",
    "estimate": "sim.api",
    "fit": "sim.lab.fit",
    "load": "sim.api",
    "measure": "sim.lab.folder",
    "model_of": "sim.model",
    "nca": "sim.lab.nca",
    "pk": "sim.api",
    "pk_fit": "sim.lab.pk_fit",
    "plate": "sim.lab.plate",
    "report": "sim.view.report.report",
    "run": "sim.api",
    "sweep": "sim.api",
}


hooks.PLACES |= {
    "design": "sim.api:design",
    "draw": "sim.view.draw:draw",
    "draw_map": "sim.view.draw:draw_map",
    "save_figures": "sim.view.canvas:save_pictures",
    "save_overlay": "sim.view.lab.measured:save",
    "save_pictures": "sim.view.run.pictures:save_pictures",
    "to_xarray": "sim.view.export.export:to_xarray",
    "dose_response": "sim.analysis.dose_response:dose_response",
    "combinations": "sim.analysis.combination:combinations",
    "courses": "sim.analysis.courses:courses",
    "panel": "sim.analysis.panel:panel",
    "sensitivity": "sim.analysis.sensitivity:sensitivity",
}
logging.getLogger("sim").addHandler(logging.NullHandler())  # who uses sim decides what is shown


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
