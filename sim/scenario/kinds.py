"""Scenario, study or calibration: which kind a file is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem, ScenarioError
from sim.files import read_toml
from sim.scenario import keys
from sim.scenario.shipped import shipped, shipped_calibrations, shipped_studies

KINDS = {"scenario": "run", "study": "sweep", "calibration": "calibrate"}
"""The kinds of files, and the command of each."""


SHARED = ("base", "set", "replicates")
"""Keys of studies and calibrations that scenarios do not have."""


OWN = {
    "study": (
        "grid", "zip", "sample", "group", "dose_response", "combination", "sensitivity",
    ),
    "calibration": ("trials", "batch", "parameters", "data"),
}  # fmt: skip
"""Keys that only files of one kind have."""


def kind_of(source: str | Path | Mapping[str, Any], likely: str = "scenario") -> str:
    """Return whether a name, a file or its content is a scenario, a study or a calibration.

    The kind is that to which most of its keys belong.

    Parameters
    ----------
    source : str, Path or mapping
        The name of a shipped file, a TOML file, or its content.
    likely : str
        The answer if the keys do not decide, or if it cannot be read.
    """
    names = {"scenario": shipped, "study": shipped_studies, "calibration": shipped_calibrations}
    try:
        if isinstance(source, Mapping):
            tree: Mapping[str, Any] = source
        elif found := [kind for kind, known in names.items() if str(source) in known()]:
            return found[0]
        else:
            tree = read_toml(Path(source))
    except InputError:
        return likely
    known = {kind: {*own, *SHARED} for kind, own in OWN.items()}
    known["scenario"] = {"extends", *keys.children(())} - {"format", "name", "description", "seed"}
    return max((likely, *known), key=lambda kind: len(known[kind].intersection(tree)))


def check_kind(source: str | Path | Mapping[str, Any], kind: str) -> None:
    """Refuse a file of another kind, to explain its errors.

    Raises
    ------
    ScenarioError
        If it is; the message names the right command.
    """
    found = kind_of(source, kind)
    if found == kind:
        return
    if isinstance(source, Mapping):
        label, command = kind, f"sim.{KINDS[found]}"
    else:
        label, command = str(source), f"angiosim {KINDS[found]} {shlex.quote(str(source))}"
    what = f"this is a {found}, not a {kind}: `{command}`"
    raise ScenarioError(label, [Problem("", None, what)])
