"""Scenario, study, calibration, design, drug or plate map: which kind a file is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem, ScenarioError
from sim.files import read_toml
from sim.pharmacology.drug_file import TOP as OF_DRUGS
from sim.scenario import keys
from sim.scenario.schema import Scenario
from sim.scenario.shipped import (
    shipped,
    shipped_calibrations,
    shipped_designs,
    shipped_studies,
)

COMMANDS = {
    "scenario": "run",
    "study": "sweep",
    "calibration": "calibrate",
    "design": "design",
    "drug": "describe",
    "plate map": "plate",
}
"""The kinds of files, and the command of each."""

Source = str | Path | Mapping[str, Any] | Scenario


def kind_of(source: Source, likely: str = "scenario") -> str:
    """Return which of `COMMANDS` a name, a file or its content is.

    The kind is that to which most of its keys belong.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        The name of a shipped file, a TOML file, its content, or a scenario.
    likely : str
        The answer if the keys do not decide, or if it cannot be read.
    """
    names = {
        "scenario": shipped,
        "study": shipped_studies,
        "calibration": shipped_calibrations,
        "design": shipped_designs,
    }
    try:
        if isinstance(source, Scenario):
            return "scenario"
        if isinstance(source, Mapping):
            tree: Mapping[str, Any] = source
        elif found := [kind for kind, known in names.items() if str(source) in known()]:
            return found[0]
        else:
            if str(source).lower().endswith(".csv"):
                return "plate map"
            tree = read_toml(Path(source))
    except (InputError, TypeError):
        return likely
    from sim.calibration.file import TOP as OF_CALIBRATIONS  # the commands of scenarios start
    from sim.design.file import TOP as OF_DESIGNS  # sooner without them
    from sim.studies.file import TOP as OF_STUDIES

    known = {
        "scenario": {"extends", *keys.children(())},
        "study": {*OF_STUDIES},
        "calibration": {*OF_CALIBRATIONS},
        "design": {*OF_DESIGNS},
        "drug": {*OF_DRUGS},
    }
    decisive = {*tree}.difference(set[Any].intersection(*known.values()))
    return max((likely, *known), key=lambda kind: len(known[kind] & decisive))


@contextmanager
def expected(kind: str, source: Source) -> Iterator[None]:
    """Replace the errors of a file that is of another kind: it has the wrong command.

    Raises
    ------
    ScenarioError
        If it is; the message names the right command.
    """
    try:
        yield
    except InputError:
        if (found := kind_of(source, kind)) == kind:
            raise
        if not isinstance(source, str | Path) and found != "drug":
            label, command = kind, f"sim.{COMMANDS[found]}"
        else:
            label, command = str(source), f"angiosim {COMMANDS[found]} {shlex.quote(str(source))}"
        what = f"this is a {found}, not a {kind}: `{command}`"
        raise ScenarioError(label, [Problem("", None, what)]) from None
