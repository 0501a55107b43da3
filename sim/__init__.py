"""angiosim: an in-silico capillary tube-formation assay, from dose to network.

``import sim`` is quick: everything but the version is imported when first used.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.version import __version__

if TYPE_CHECKING:
    from sim.api import PK, Calibration, Result, Study, calibrate, load, pk, run, sweep
    from sim.errors import PictureWarning, ScenarioWarning
    from sim.model.clock import AngiogenesisModel


__all__ = [
    "PK", "AngiogenesisModel", "Calibration", "PictureWarning", "Result", "ScenarioWarning",
    "Study", "__version__", "calibrate", "load", "pk", "run", "sweep",
]  # fmt: skip

_HOME = {
    "AngiogenesisModel": "sim.model.clock",
    "Calibration": "sim.api",
    "PK": "sim.api",
    "PictureWarning": "sim.errors",
    "Result": "sim.api",
    "ScenarioWarning": "sim.errors",
    "Study": "sim.api",
    "calibrate": "sim.api",
    "load": "sim.api",
    "pk": "sim.api",
    "run": "sim.api",
    "sweep": "sim.api",
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
