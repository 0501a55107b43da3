"""The files that come with angiosim, by name."""

from __future__ import annotations

from pathlib import Path

from sim import data

STUDIES, CALIBRATIONS, DESIGNS = "sweeps/", "calibration/", "designs/"  # below the scenarios


def shipped() -> dict[str, Path]:
    """Return the files of the scenarios that come with angiosim, by name."""
    others = (STUDIES, CALIBRATIONS, DESIGNS)
    return {name: path for name, path in _shipped().items() if not name.startswith(others)}


def shipped_studies() -> dict[str, Path]:
    """Return the study files that come with angiosim, by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(STUDIES)}


def shipped_calibrations() -> dict[str, Path]:
    """Return the calibration files that come with angiosim, by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(CALIBRATIONS)}


def shipped_designs() -> dict[str, Path]:
    """Return the design files that come with angiosim, by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(DESIGNS)}


def _shipped() -> dict[str, Path]:
    package = Path(data.__file__).parents[1]
    folder = package / "data" / "scenarios"  # in the wheel
    if not folder.is_dir():
        folder = package.parent / "scenarios"  # in a checkout
    files = sorted(folder.rglob("*.toml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}
