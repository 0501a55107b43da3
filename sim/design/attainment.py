"""Whether targets hold on a schedule as it is, and in how many of the subjects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.design.curves import OF_MANY, OF_ONE, Curves, Grid, in_steady_state, window_of
from sim.design.plan import Target
from sim.design.solve import varies
from sim.design.targets import TargetReader, misfits
from sim.errors import InputError, Problem, ScenarioError
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.population import bands
from sim.runs.pk import PK, Attained, run_pk
from sim.scenario.exposure import effect_of
from sim.scenario.schema import Scenario

BLOCK = 500
"""Subjects at once: all of a large population take much memory."""


def read_targets(given: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Read targets of the body: tables as in ``[[target]]`` of a design, without ``share``.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    """
    problems: list[Problem] = []
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError("targets: must be a list of tables such as [[target]] of a design")
    found = (
        list(TargetReader(problems, window="").targets(list(map(_plain, given)))) if given else []
    )
    for place, target in enumerate(found):
        if target.share is not None:
            what = "must be left out: the share of subjects is what is computed"
            problems.append(Problem(f"target.{place}.share", target.share, what))
    if problems:
        raise ScenarioError("targets", problems)
    return found


def _plain(given: Any) -> Any:
    return dict(given) if isinstance(given, Mapping) else given


def option_targets(
    at_least: Sequence[str], at_most: Sequence[str], window: str | None
) -> list[Target]:
    """Read the targets of a command line, each ``OF.STATISTIC=VALUE``.

    The level of ``hours_above`` follows it: ``free_nM.hours_above.ic50.VEGFR2=12``.

    Raises
    ------
    InputError
        If one is wrong.
    """
    if window is not None and not (at_least or at_most):
        raise InputError("--window: is of --at-least and --at-most, and none is given")
    found = []
    for option, key, texts in (
        ("--at-least", "at_least", at_least), ("--at-most", "at_most", at_most)
    ):  # fmt: skip
        for text in texts:
            words, _, number = text.partition("=")
            of, hours, level = words.strip().partition(".hours_above")
            of, dot, statistic = (of, ".", "hours_above") if hours else of.rpartition(".")
            if not (dot and number):
                such = "such as inhibition.VEGFR2.mean=0.5"
                raise InputError(f"{option} {text}: must be OF.STATISTIC=VALUE, {such}")
            table = {"of": of, "statistic": statistic, key: _number(number)}
            table |= {"level": _number(level.removeprefix("."))} if level else {}
            table |= {} if window is None else {"window": window}
            try:
                found += read_targets([table])
            except ScenarioError as error:
                first = str(error.problems[0]).removeprefix("target.0.")
                raise InputError(f"{option} {text}: {first}") from None
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def check_targets(targets: Sequence[Target], scenario: Scenario) -> None:
    """Refuse targets that a scenario which doses a body cannot have.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    """
    problems: list[Problem] = []
    for place, target in enumerate(targets):
        problems += misfits(_named(target, scenario), f"target.{place}", scenario)
    if problems:
        raise ScenarioError(f"targets in {scenario.name}", problems)


def pk_of(
    scenario: Scenario,
    overrides: Mapping[str, Any] | None = None,
    subjects: int | None = None,
    targets: Sequence[Target] = (),
) -> PK:
    """Compute the drug of a loaded scenario in a body, and what targets come to.

    Raises
    ------
    InputError
        If the scenario doses no body, or its schedule cannot have one of the targets.
    """
    if scenario.drug is not None and scenario.drug.exposure == "pk":
        check_targets(targets, scenario)
    result = run_pk(scenario, subjects=subjects, overrides=overrides)
    result.targets = attained(result, targets)
    return result


def attained(result: PK, targets: Sequence[Target]) -> list[Attained]:
    """Return what checked targets come to on the schedule of a result, and in how many subjects."""
    scenario = result.scenario
    subjects = result.subjects if varies(scenario) else None
    return [_attained(_named(target, scenario), scenario, subjects) for target in targets]


def _attained(target: Target, scenario: Scenario, subjects: int | None) -> Attained:
    (curves,) = _curves(target, scenario, None, OF_ONE)
    value = float(curves.value(target, 1.0)[0])
    holds = bool(curves.holds(target, 1.0)[0])
    words = (str(target), target.when, target.unit)
    if subjects is None:
        return Attained(*words, value, holds)
    pieces = _curves(target, scenario, subjects, OF_MANY)
    values = np.concatenate([piece.value(target, 1.0) for piece in pieces])
    met = values >= target.value if target.at_least else values <= target.value
    low, middle, high = map(float, bands(values))
    return Attained(*words, value, holds, float(met.mean()), (low, middle, high))


def _named(target: Target, scenario: Scenario) -> Target:
    """Return a target with its window: the last cycle, or all of doses listed one by one."""
    assert scenario.drug is not None
    if target.window or target.hours is not None:
        return target
    return replace(target, window="last cycle" if scenario.drug.regimen else "schedule")


def _curves(
    target: Target, scenario: Scenario, subjects: int | None, grid: Grid
) -> Iterator[Curves]:
    """Yield the concentrations over a target's window, of so many subjects at once."""
    start_h, end_h, steady = window_of(target, scenario)
    effect = effect_of(scenario, subjects)
    assert effect is not None and scenario.drug is not None
    agents = list(effect.agents)
    if steady:
        agents = in_steady_state(agents, scenario)
    for start in range(0, subjects or 1, BLOCK):
        some = slice(start, start + BLOCK)
        here = [agent.some(some) for agent in agents] if subjects else agents
        body = here[0].exposure
        assert isinstance(body, Pharmacokinetic)  # it doses a body
        nothing = [replace(dose, amount_mg=0.0) for dose in body.doses]
        yield Curves(here, nothing, start_h, end_h, grid)
