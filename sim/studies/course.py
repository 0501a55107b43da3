"""Read-outs over time in a study: which, at which times, and against which arm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sim import data
from sim.assays import columns
from sim.scenario.schema import Scenario
from sim.studies.resolve import Axis

Tree = dict[str, Any]
MOST_TIMES = 500
NEAR = 1e-6
KEYS = ("responses", "at_h", "control", "columns")


def name_at(readout: str, at_h: float) -> str:
    """Return what a read-out at a time is called: ``tumour_area_mm2@504``."""
    return f"{readout}@{at_h:g}"


def read_course(
    table: Tree,
    groups: Sequence[Axis],
    alone: bool,
    assays: Sequence[str],
    wrong: Callable[..., None],
) -> Tree:
    """Return ``[course]`` of a study, checked; empty without.

    Parameters
    ----------
    table : dict
        As in the file.
    groups : sequence of Axis
        The groups of the study.
    alone : bool
        Whether nothing else is swept, so that arms are called as in the group.
    assays : sequence of str
        Assays of its arms.
    wrong : callable
        ``wrong(key, value, allowed, hint)`` notes an error.
    """
    if not table:
        return {}
    for key in table:
        if key not in KEYS:
            wrong(f"course.{key}", None, "unknown key", data.nearest(key, KEYS))
    known = [name for name in columns(assays[0]) if all(name in columns(one) for one in assays)]
    known = [name for name in known if name != "time_h"]
    names = table.get("responses")
    if not isinstance(names, list) or not names:
        wrong("course.responses", names, "must be a list of read-outs")
        names = []
    for name in names:
        if name not in known:
            wrong("course.responses", name, data.one_of(known), data.nearest(str(name), known))
    times = table.get("at_h")
    if not _are_times(times):
        wrong("course.at_h", times, f"must be a list of at most {MOST_TIMES} rising times in hours")
        times = []
    found: Tree = {"responses": list(names), "at_h": [float(at) for at in times or ()]}
    arms = {axis.columns[0]: [labels[axis.columns[0]] for labels, _ in axis.points]
            for axis in groups}  # fmt: skip
    if "control" in table:
        found["control"] = table["control"]
        _check_control(table["control"], arms, wrong)
    if "columns" in table:
        found["columns"] = table["columns"]
        _check_columns(table["columns"], arms if alone else {}, wrong)
    return found


def _are_times(times: Any) -> bool:
    if not isinstance(times, list) or not 1 <= len(times) <= MOST_TIMES:
        return False
    if not all(type(at) in (int, float) and math.isfinite(at) for at in times):
        return False
    return all(a < b for a, b in pairwise(times))


def _check_control(named: Any, arms: Mapping[str, list[str]], wrong: Callable[..., None]) -> None:
    """Refuse a control that is no arm: one name in each group."""
    if not isinstance(named, dict) or set(named) != set(arms):
        what = "must name an arm of each group"
        wrong("course.control", named, what, 'such as {arm = "no drug"}')
        return
    for group, arm in named.items():
        if arm not in arms[group]:
            hint = data.nearest(str(arm), arms[group])
            wrong(f"course.control.{group}", arm, data.one_of(arms[group]), hint)


def _check_columns(named: Any, arms: Mapping[str, list[str]], wrong: Callable[..., None]) -> None:
    """Refuse columns of the picture that show other things than arms."""
    if len(arms) != 1:
        wrong("course.columns", None, "needs a study with one group, and no other values")
        return
    (known,) = arms.values()
    if not isinstance(named, dict) or not all(isinstance(some, list) for some in named.values()):
        wrong("course.columns", named, "must be a table of lists of arms, by title")
        return
    for title, some in named.items():
        for arm in some:
            if arm not in known:
                hint = data.nearest(str(arm), known)
                wrong(f"course.columns.{title}", arm, data.one_of(known), hint)


def unrecorded(course: Tree, scenario: Scenario) -> list[float]:
    """Return the times of a course that a scenario has no record of."""
    time = scenario.time

    def recorded(at: float) -> bool:
        step = time.step_at(at)
        whole = abs(step - round(step)) <= NEAR * max(1.0, abs(step))
        return whole and 0 <= round(step) <= time.steps and time.records(round(step))

    return [at for at in course.get("at_h", ()) if not recorded(at)]


def values_at(course: Tree, timeseries: Any) -> dict[str, float]:
    """Return the read-outs of a course by name and time, from the records of a run."""
    times = timeseries["time_h"].to_numpy(float)
    found = {}
    for at in course.get("at_h", ()):
        row = int(abs(times - at).argmin())
        if abs(times[row] - at) > NEAR * max(1.0, abs(at)):
            raise ValueError(f"there is no record at {at:g} h")
        for name in course["responses"]:
            found[name_at(name, at)] = float(timeseries[name].iloc[row])
    return found
