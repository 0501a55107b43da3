"""The data file of a drug: what it must hold, and a new one to fill in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from sim import data
from sim.errors import InputError, Problem, ScenarioError
from sim.files import read_toml
from sim.input import plain, wrong_name
from sim.pharmacology.drugs import read_drug

TOP = (
    "molar_mass_g_per_mol", "default_potency", "potency", "fraction_unbound", "pk", "reported",
    "unharmed_up_to_nM", "cytotoxic_ec50_nM",
)  # fmt: skip
_NEEDED = ("molar_mass_g_per_mol", "default_potency", "potency")
_LEAF = ("value", "spread", "unit", "source", "evidence", "remark", "not_met")
_TEXTS = ("source", "remark")
PLACEHOLDER = "a placeholder"
"""The source of what `template` leaves to be filled in."""


def read_drug_file(path: Path) -> dict[str, Any]:
    """Return the content of a drug's data file.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    InputError
        If the file cannot be read.
    """
    tables = read_toml(path)
    if problems := problems_of(tables, path.stem):
        raise ScenarioError(str(path), problems)
    return tables


def problems_of(tables: Mapping[str, Any], name: str) -> list[Problem]:
    """Return everything that is wrong with the content of a drug's data file.

    Parameters
    ----------
    tables : mapping
        The content.
    name : str
        What the drug is called.
    """
    found: list[Problem] = []
    plain(tables, found)
    found = found or [*_structure(tables)]
    if not found:
        try:
            read_drug(name, tables)
        except InputError as error:
            found.append(Problem("", None, error.reason.removeprefix(f"drugs/{name}.toml: ")))
    if what := name_problem(name):
        found.append(Problem("", None, what))
    return found


@cache
def is_own(name: str, own: str) -> bool:
    """Whether a text is the content of the file of a drug, as JSON with its name."""
    try:
        content = json.loads(own)
    except (ValueError, RecursionError):
        return False
    named = isinstance(content, dict) and content.get("name") == name
    tables = content.get("tables") if named else None
    return isinstance(tables, dict) and not problems_of(tables, name)


def as_own(path: Path) -> str:
    """Return the content of a drug's data file as JSON with its name; see `read_drug_file`."""
    return json.dumps({"name": path.stem, "tables": read_drug_file(path)})


def name_problem(name: str) -> str:
    """Return what is wrong with the name of a drug of one's own; empty if nothing is."""
    if wrong := wrong_name(name):
        return f"the file gives the drug its name, which {wrong}"
    if name in data.names("drugs"):
        return "has the name of a drug that comes with angiosim; choose another"
    return ""


def _structure(tables: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with keys and leaves."""
    for key in tables:
        if key not in TOP:
            yield Problem(key, None, "unknown key", data.nearest(key, TOP))
    for key in _NEEDED:
        if key not in tables:
            yield Problem(key, None, "is missing")
    if "molar_mass_g_per_mol" in tables:
        yield from _leaf("molar_mass_g_per_mol", tables["molar_mass_g_per_mol"], above_0=True)
    sets, default = tables.get("potency", {}), tables.get("default_potency")
    yield from _potencies(sets)
    named = sets and isinstance(sets, dict) and "default_potency" in tables
    if named and default not in list(sets):
        yield Problem("default_potency", default, data.one_of(sets))
    shares = tables.get("fraction_unbound", {})
    for species, leaf in _items("fraction_unbound", shares):
        yield from _species(f"fraction_unbound.{species}", species)
        yield from _leaf(f"fraction_unbound.{species}", leaf, above_0=True)
    if not isinstance(shares, dict):
        yield Problem("fraction_unbound", None, "must be a table of leaves by species")
    bodies = tables.get("pk", {})
    if not isinstance(bodies, dict):
        yield Problem("pk", None, "must be a table by species and set: [pk.human.default]")
    for species, of_species in _items("pk", bodies):
        yield from _species(f"pk.{species}", species)
        if not isinstance(of_species, dict):
            yield Problem(f"pk.{species}", None, "must be a table of sets")
        elif isinstance(shares, dict) and species not in shares:
            what = "is missing: the share of the drug in plasma that is not bound"
            yield Problem(f"fraction_unbound.{species}", None, what)
        for key, table in _items(f"pk.{species}", of_species):
            yield from _kinetics(f"pk.{species}.{key}", table)


def _potencies(sets: Any) -> Iterator[Problem]:
    if not isinstance(sets, dict) or not all(isinstance(one, dict) for one in sets.values()):
        yield Problem("potency", None, "must be a table of sets: [potency.author2020]")
        return
    known = data.names("receptors")
    for name, table in sets.items():
        yield from _source(f"potency.{name}", table)
        receptors = {key: leaves for key, leaves in table.items() if key not in _TEXTS}
        if not receptors:
            yield Problem(f"potency.{name}", None, f"has no receptor; {data.one_of(known)}")
        for receptor, leaves in receptors.items():
            key = f"potency.{name}.{receptor}"
            if receptor not in known:
                yield Problem(key, None, data.one_of(known), data.nearest(receptor, known))
            if not isinstance(leaves, dict):
                yield Problem(key, leaves, "must be a table with ic50_nM and hill")
                continue
            for part in leaves:
                if part not in ("ic50_nM", "hill"):
                    yield Problem(f"{key}.{part}", None, "unknown key")
            for part, unit in (("ic50_nM", "nM"), ("hill", "")):
                if part not in leaves:
                    yield Problem(f"{key}.{part}", None, "is missing")
                else:
                    yield from _leaf(f"{key}.{part}", leaves[part], above_0=True, unit=unit)


def _kinetics(key: str, table: Any) -> Iterator[Problem]:
    if not isinstance(table, dict):
        yield Problem(key, table, "must be a table of parameters")
        return
    yield from _source(key, table)
    for name, leaf in table.items():
        if name == "correlation":
            for pair, value in _items(f"{key}.correlation", leaf):
                yield from _leaf(f"{key}.correlation.{pair}", value)
        elif name not in _TEXTS:
            yield from _leaf(f"{key}.{name}", leaf)


def _leaf(key: str, leaf: Any, *, above_0: bool = False, unit: str = "") -> Iterator[Problem]:
    """Yield what is wrong with a number and its source."""
    if not data.is_leaf(leaf):
        what = 'must be such as {value = 1, unit = "nM", source = "...", evidence = "published"}'
        yield Problem(key, leaf, what)
        return
    for part in leaf:
        if part not in _LEAF:
            yield Problem(f"{key}.{part}", None, "unknown key", data.nearest(part, _LEAF))
    value = leaf["value"]
    if type(value) not in (int, float) or not isfinite(value):
        yield Problem(f"{key}.value", value, "must be a number")
    elif above_0 and value <= 0:
        yield Problem(f"{key}.value", value, "must be above 0")
    if not isinstance(leaf.get("unit", ""), str):
        yield Problem(f"{key}.unit", leaf["unit"], "must be a text")
    spread = leaf.get("spread", 0)
    each = spread if isinstance(spread, list) and len(spread) == 2 else [spread]
    texts = isinstance(spread, str) and not unit
    if not texts and not all(type(one) in (int, float) for one in each):
        yield Problem(f"{key}.spread", spread, "must be a number" if unit else "must be '29 %'")
    elif unit and isinstance(spread, list):
        yield Problem(f"{key}.spread", spread, "must be a number")
    if unit and leaf.get("unit", unit) != unit:
        yield Problem(f"{key}.unit", leaf["unit"], f"must be {unit!r}")
    for part, what in (
        ("source", "must say where the number comes from"),
        ("evidence", "must say what it rests on, such as 'published', 'calibrated' or 'assumed'"),
    ):
        if not isinstance(leaf.get(part), str) or not leaf[part]:
            yield Problem(f"{key}.{part}", leaf.get(part), what)


def _source(key: str, table: Mapping[str, Any]) -> Iterator[Problem]:
    if not isinstance(table.get("source"), str):
        yield Problem(f"{key}.source", table.get("source"), "must say where the set comes from")


def placeholders(tables: Mapping[str, Any], key: str = "drug.file") -> Iterator[Problem]:
    """Warn of numbers that are still those of `template`."""
    left = [where for where, source in _sources(tables) if source == PLACEHOLDER]
    if left:
        named = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        yield Problem(key, None, f"holds placeholders of `drug new`: {named}")


def _sources(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the source of each number by its dotted key."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            if "value" in value:
                yield above + name, value.get("source")
            else:
                yield from _sources(value, f"{above}{name}.")


def _species(key: str, species: str) -> Iterator[Problem]:
    known = data.names("species")
    if species not in known:
        yield Problem(key, None, data.one_of(known), data.nearest(species, known))


def _items(key: str, table: Any) -> list[tuple[str, Any]]:
    return list(table.items()) if isinstance(table, dict) else []


TEMPLATE = """\
# A drug of your own: {name}. Every number has a unit, a source and its evidence ("published",
# "calibrated", "assumed", ...); those here are placeholders. A scenario in this folder uses it with
#   [drug]
#   file = "{name}.toml"
# `angiosim validate {name}.toml` checks it, `angiosim describe {name}.toml` prints it.
molar_mass_g_per_mol = {{value = 400, unit = "g/mol", source = "free base", evidence = "assumed"}}
default_potency = "mine"

# One or more sets of potencies: the unbound concentration that halves a receptor's activity, and
# the slope of the Hill equation. Receptors: {receptors}; leave out what it does not bind.
# A spread is the standard deviation that was published with it: spread = 1.2
[potency.mine]
source = "where this set comes from"
{potencies}
# Share of the drug in plasma that is not bound, by species: {species}.
[fraction_unbound]
human = {{value = 0.1, source = "{blank}", evidence = "assumed"}}

# Pharmacokinetics by species and set: CL, V, ka (one compartment) or CL, V1, Q, V2, ka (two), and
# if known F and lag (h). Without F, CL and V are CL/F and V/F, and only oral doses can be computed.
# Units are L/h, L and 1/h, or those of clearances and volumes with /kg. spread = "30 %" is the
# coefficient of variation between subjects (log-normal), spread = [0.3, 0.6] a uniform range;
# without it the spread is not known.
[pk.human.default]
source = "where this set comes from"
CL = {{value = 10, spread = "30 %", unit = "L/h", source = "{blank}", evidence = "assumed"}}
V = {{value = 500, spread = "30 %", unit = "L", source = "{blank}", evidence = "assumed"}}
ka = {{value = 1, unit = "1/h", source = "{blank}", evidence = "assumed"}}
# [pk.human.default.correlation]       # of the logarithms of two parameters between subjects
# CL_V = {{value = 0.8, source = "...", evidence = "assumed"}}
"""
_POTENCY = """\
[potency.mine.{receptor}]
ic50_nM = {{value = 10, unit = "nM", source = "{blank}", evidence = "assumed"}}
hill = {{value = 1, source = "no slope reported", evidence = "assumed"}}
"""


def template(name: str) -> str:
    """Return a commented drug file to fill in; it is valid as it is."""
    receptors = data.names("receptors")
    return TEMPLATE.format(
        name=name,
        blank=PLACEHOLDER,
        receptors=", ".join(receptors),
        species=", ".join(data.names("species")),
        potencies="\n".join(
            _POTENCY.format(receptor=receptor, blank=PLACEHOLDER) for receptor in receptors
        ),
    )
