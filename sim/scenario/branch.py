"""A scenario that is changed from a step on: drug, media, doses, duration and records.

The change becomes an entry of the medium's history, or a dose, so that the scenario says all that
happens, and gives the same result when it is run from its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError, Problem, ScenarioError
from sim.scenario.classes import ligands_of
from sim.scenario.layers import override_tree
from sim.scenario.ligands import Ligand
from sim.scenario.partner import of_partner
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug
from sim.scenario.tree import Tree
from sim.units import parse_quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FREE = ("name", "description", "record", "time.duration_h", "time.duration_mcs")
"""What may be set in any branch, beside drug and media."""
CONCENTRATIONS = ("free_nM", "nominal_nM")
COURSE = (*CONCENTRATIONS, "media", "doses", "regimen")
"""What may be set of a drug that the run has had."""
MOST_TIMES = 20_000  # at which what has happened is compared


def changed(scenario: Scenario, settings: Mapping[str, Any], mcs: int) -> Scenario:
    """Return a scenario with settings that begin at a step.

    Parameters
    ----------
    scenario : Scenario
    settings : mapping
        By dotted key. A concentration is that of a new medium. Lists of media or doses are those
        from this step on, and follow those that the scenario had until then.
    mcs : int
        The step from which they hold.

    Raises
    ------
    ScenarioError
        If something is set that cannot change in the course of a run, would change what has
        happened, or is wrong.
    """
    problems: list[Problem] = []
    tree, laid = override_tree(settings, Path.cwd(), problems), {}
    at_h = time_of(scenario, mcs)
    for key, value in _leaves(tree):
        table, *inside = key.split(".")
        if table in ("drug", "partner") and inside:
            continue
        if any(key == free or key.startswith(f"{free}.") for free in FREE):
            laid[key] = value
        elif not (table == "ligands" and inside[1:2] in (["bath_ng_ml"], ["media"])):
            what = "cannot be changed during a run: only concentrations, media, doses, "
            problems.append(Problem(key, value, f"{what}time.duration_h, record and name can"))
    for table in ("drug", "partner"):
        if isinstance(given := tree.get(table), dict):
            laid |= _drug(scenario, table, given, mcs, problems)
    ligands = tree.get("ligands")
    for name, given in ligands.items() if isinstance(ligands, dict) else ():
        if isinstance(given, dict):
            known = ligands_of(scenario).get(name)
            laid |= {f"ligands.{name}.{k}": v for k, v in _bath(known, given, at_h).items()}
    if not {"time.duration_h", "time.duration_mcs"} & laid.keys():
        problems += _too_short(scenario, mcs)
    if problems:
        raise ScenarioError("branch", problems)
    made = load(scenario, laid)
    if problems := [*_too_short(made, mcs), *_rewritten(scenario, made, mcs)]:
        raise ScenarioError("branch", problems)
    return made


def laid(
    base: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int | None = None,
    at_h: float | None = None,
) -> Scenario:
    """Return a base with settings, which begin at a time if one is given.

    Raises
    ------
    ScenarioError
        With all errors.
    """
    if at_h is None:
        return load(base, settings, seed)
    parent = load(base, None, seed)
    return changed(parent, settings, step_of(parent, at_h, "from.at_h"))


def step_of(scenario: Scenario, time_h: float, key: str = "time_h") -> int:
    """Return the step at a time, as in the time series.

    Raises
    ------
    ScenarioError
        If it is not on a whole step of a run.
    """
    step = scenario.time.step_at(time_h)
    if not (-1e-6 < step < inf and abs(step - round(step)) < 1e-6):
        start_h, mcs_s = scenario.time.start_h, scenario.time.mcs_s
        what = f"must be on a whole step of the run, {start_h:g} h and multiples of {mcs_s:g} s"
        raise ScenarioError("branch", [Problem(key, time_h, f"{what} after it")])
    return round(step)


def time_of(scenario: Scenario, mcs: int) -> float:
    """Return the time of a step, in hours, without the digits of its rounding."""
    return float(f"{scenario.time.start_h + mcs * scenario.time.mcs_s / 3600:.12g}")


def _leaves(tree: Tree, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _drug(
    scenario: Scenario, table: str, given: Tree, mcs: int, problems: list[Problem]
) -> dict[str, Any]:
    """Return what is set in [drug] or [partner], by dotted key."""
    at_h, own = time_of(scenario, mcs), getattr(scenario, table)
    one = scenario if table == "drug" else of_partner(scenario)
    if own is None and table == "partner":
        what = "cannot be added from a step on: let the run begin with partner.free_nM = 0"
        problems.append(Problem(table, None, what))
        return {}
    others = [key for key in given if key not in COURSE]
    if others and _total_nM(one, _times_h(one, mcs)).any():
        what = f"cannot be changed during a run: the cells had {own.name} before {at_h:g} h"
        problems += [Problem(f"{table}.{key}", given[key], what) for key in others]
        return {}
    found = {key: given[key] for key in [*others, *({"regimen"} & given.keys())]}
    past = [medium for medium in _media(own) if medium["at_h"] < at_h]
    later = [medium for medium in _media(own) if medium["at_h"] > at_h]
    for key in CONCENTRATIONS:
        if key not in given:
            continue
        same = own is not None and own.exposure == "constant" and getattr(own, key) == given[key]
        if same or (own is None and given[key] == 0):
            found[key] = given[key]
        else:
            found["media"] = [*past, {"at_h": at_h, key: given[key]}, *later]
    if "media" in given:
        found["media"] = _after(past, given["media"], at_h)
    if "media" in found:
        found.setdefault("exposure", "schedule")
    if "doses" in given:
        found["doses"] = _after(_doses(one, at_h), given["doses"], at_h)
    return {f"{table}.{key}": value for key, value in found.items()}


def _bath(ligand: Ligand | None, given: Tree, at_h: float) -> dict[str, Any]:
    """Return what is set of a ligand."""
    if ligand is None:  # reported when it is loaded
        return dict(given)
    media = [medium.model_dump() for medium in ligand.media]
    past = [medium for medium in media if medium["at_h"] < at_h]
    later = [medium for medium in media if medium["at_h"] > at_h]
    found = dict(given)
    if "bath_ng_ml" in given:
        value = found.pop("bath_ng_ml")
        if value != (past[-1] if past else ligand.model_dump())["bath_ng_ml"] or len(media) > len(
            past + later
        ):
            found["media"] = [*past, {"at_h": at_h, "bath_ng_ml": value}, *later]
    if "media" in given:
        found["media"] = _after(past, given["media"], at_h)
    return found


def _media(drug: Drug | None) -> list[Tree]:
    """Return the media of a drug so far and to come; none of one that is dosed to a body."""
    if drug is None or drug.exposure == "pk":
        return []
    if drug.exposure == "schedule":
        return [_medium(medium.at_h, medium) for medium in drug.media]
    found = _medium(0.0, drug)
    return [found] if any(found.get(key) for key in CONCENTRATIONS) else []


def _medium(at_h: float, given: Any) -> Tree:
    key = "free_nM" if given.nominal_nM is None else "nominal_nM"
    return {"at_h": at_h, key: getattr(given, key)}


def _doses(scenario: Scenario, at_h: float) -> list[Tree]:
    """Return the doses before a time, one by one."""
    if scenario.drug is None or scenario.drug.exposure != "pk":
        return []
    from sim.scenario.exposure import doses_of, regimen_of

    regimen = regimen_of(scenario.drug)
    if regimen and regimen.steady:  # which have been given for ever
        raise InputError("drug.doses: cannot follow a regimen in its steady state, cycles = ...")
    return [asdict(dose) for dose in doses_of(scenario) if dose.at_h < at_h]


def _after(past: list[Tree], given: Any, at_h: float) -> Any:
    """Return the entries of a list after those of the past, unless it has such itself."""
    if not isinstance(given, list) or any(_at(entry) < at_h for entry in given):
        return given
    return [*past, *given]


def _at(entry: Any) -> float:
    """Return the time of an entry; what is wrong with it is reported when it is loaded."""
    given: Any = entry.get("at_h") if isinstance(entry, dict) else None
    try:
        return float(parse_quantity(given, "h") if isinstance(given, str) else given)
    except (TypeError, ValueError):
        return inf


def _too_short(scenario: Scenario, mcs: int) -> Iterator[Problem]:
    """Yield that nothing is left to run after a step."""
    if mcs >= scenario.time.steps:
        at_h, end_h = time_of(scenario, mcs), time_of(scenario, scenario.time.steps)
        what = f"must be longer: the branch begins at {at_h:g} h, and the run ends at {end_h:g} h"
        yield Problem("time.duration_h", scenario.time.duration_h, what)


def _rewritten(before: Scenario, after: Scenario, mcs: int) -> Iterator[Problem]:
    """Yield what would change what the cells had until a step."""
    import numpy as np

    from sim.pharmacology.effect import CHUNK_H, STEPS

    times_h, at_h = _times_h(before, mcs), time_of(before, mcs)
    what = f"would change what the cells had before {at_h:g} h; give what comes from then on"
    for table, of in (("drug", lambda one: one), ("partner", of_partner)):
        one, other = of(before), of(after)
        if not np.array_equal(_total_nM(one, times_h), _total_nM(other, times_h)):
            yield Problem(table, None, what)
        elif not _same_effect(one, other, times_h):
            yield Problem(
                f"{table}.residence_h", None,
                f"what a slow drug did before {at_h:g} h would differ in the last digits; branch "
                f"at a multiple of {CHUNK_H / STEPS:g} h",
            )  # fmt: skip
    for name, ligand in ligands_of(after).items():
        known = ligands_of(before)[name]
        if any(known.bath_at(time_h) != ligand.bath_at(time_h) for time_h in times_h):
            yield Problem(f"ligands.{name}", None, what)


def _times_h(scenario: Scenario, mcs: int) -> NDArray[np.float64]:
    """Return times before a step, on steps and between them."""
    import numpy as np

    steps = np.linspace(0.0, mcs, min(4 * mcs, MOST_TIMES), endpoint=False)
    return np.asarray(scenario.time.start_h + steps * scenario.time.mcs_s / 3600)


def _total_nM(scenario: Scenario, times_h: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all drug at some times."""
    from sim.scenario.exposure import exposure_of

    return exposure_of(scenario).total_nM(times_h)


def _same_effect(one: Scenario, other: Scenario, times_h: NDArray[np.float64]) -> bool:
    """Whether drugs do the same to receptors at some times."""
    import numpy as np

    from sim.scenario.exposure import effect_of

    found = [
        effect.inhibition(times_h) if (effect := effect_of(each)) else {} for each in (one, other)
    ]
    names = {*found[0], *found[1]}
    none = np.zeros(times_h.size)
    return all(np.array_equal(found[0].get(n, none), found[1].get(n, none)) for n in names)
