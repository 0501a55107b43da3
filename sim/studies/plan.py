"""A study as planned: its runs, each with its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.errors import Problem
from sim.scenario.branch import laid
from sim.scenario.schema import Scenario
from sim.studies.sampling import Sample

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a study.

    Attributes
    ----------
    index : int
        Its number among all combinations, from 1; those that are not run leave gaps.
    group : dict
        The name that it has in each group.
    parameters : dict
        Its values of what is swept, by dotted key.
    settings : dict
        All that is laid over the base, by dotted key.
    replicate : int
        From 1.
    seed : int
        The same in all arms of a replicate.
    key : str
        Hash of its resolved scenario, its seed and the code.
    base : dict or None
        The base of its arm, if that has its own instead of the study's.
    responses : tuple of str
        Read-outs that its arm is analysed for, in a study whose arms have their own.
    """

    index: int
    group: dict[str, str]
    parameters: dict[str, Any]
    settings: dict[str, Any]
    replicate: int
    seed: int
    key: str
    base: Tree | None = None
    responses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What studies and calibrations have in common.

    Attributes
    ----------
    name, description : str
        What it is called, and one line on what it shows.
    seed, replicates : int
        Seed of all replicates, and their number.
    base : dict
        Common to all runs: content of a scenario file.
    text : str
        The file, without references to others.
    cautions : list of Problem
        What may not be as expected (`sim.scenario.cautions`), once for each key.
    """

    name: str
    description: str
    seed: int
    replicates: int
    base: Tree
    text: str
    cautions: list[Problem]


@dataclass(frozen=True, kw_only=True)
class Plan(Planned):
    """A study as planned.

    Attributes
    ----------
    groups, parameters : tuple of str
        Columns of the results that say which run it is.
    runs : list of PlannedRun
        In order.
    code : str
        Hash of the code behind the keys of the runs.
    sample : Sample or None
        Its sampled design.
    dose_response : dict
        ``dose``, a parameter, ``responses``, read-outs, and perhaps ``unstimulated``, by group
        the arm or the list of arms that are controls; empty without.
    sensitivity : list of str
        Read-outs that sensitivity indices are computed of; empty without a design for them.
    combination : dict
        ``group``, and ``parts``: by arm of it the arms that it combines; empty without.
    course : dict
        ``responses`` and ``at_h``: read-outs that are kept at these times, perhaps ``control``, by
        group its arm, and ``columns`` of the picture; empty without.
    from_h : float or None
        Time at which all runs branch from the one of their replicate that has the base alone.
    """

    groups: tuple[str, ...]
    parameters: tuple[str, ...]
    runs: list[PlannedRun]
    code: str
    sample: Sample | None
    dose_response: dict[str, Any]
    sensitivity: list[str]
    combination: dict[str, Any]
    course: dict[str, Any]
    from_h: float | None = None

    def scenario_of(self, run: PlannedRun) -> Scenario:
        """Return the scenario of a run, but for its seed."""
        return laid(self.base_of(run), run.settings, None, self.from_h)

    def base_of(self, run: PlannedRun) -> Tree:
        """Return what the settings of a run are laid over."""
        return self.base if run.base is None else run.base


def controls(dose_response: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return by group the arms that are the unstimulated control; empty without."""
    named = dose_response.get("unstimulated")
    pairs = named.items() if isinstance(named, dict) else ()
    return {name: arms if isinstance(arms, list) else [arms] for name, arms in pairs}


def is_control(group: Mapping[str, str], dose_response: Mapping[str, Any]) -> bool:
    """Whether a run with these names in the groups belongs to the unstimulated control."""
    named = controls(dose_response)
    return bool(named) and all(group[name] in arms for name, arms in named.items())


def runs_of(runs: Sequence[PlannedRun], shard: tuple[int, int] | None) -> list[PlannedRun]:
    """Return the runs of shard (i, n): every n-th one, from the i-th; all without a shard."""
    return list(runs if shard is None else runs[shard[0] - 1 :: shard[1]])
