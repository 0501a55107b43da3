"""Drugs as data: potencies, binding in plasma and pharmacokinetics, each with its source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from sim import data
from sim.errors import InputError, Problem, ScenarioError
from sim.units import parse_quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.pharmacology.compartments import Compartments
    from sim.pharmacology.dosing import Dose

    Array = NDArray[np.float64]

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {"CL": "L/h", "V": "L", "V1": "L", "Q": "L/h", "V2": "L", "ka": "1/h", "F": "", "lag": "h"}
)
"""Parameters of the models with their units, to which ``/kg`` may be added."""

_ONE, _TWO, _OPTIONAL = {"CL", "V", "ka"}, {"CL", "V1", "Q", "V2", "ka"}, {"F", "lag"}


@dataclass(frozen=True)
class Potency:
    """One set of potencies of a drug.

    Attributes
    ----------
    name, source : str
        What the set is called and where it was published.
    ic50_nM : Mapping[str, float]
        Unbound concentration that halves a receptor's activity, by receptor.
    hill : Mapping[str, float]
        Slope of the Hill equation, by receptor.
    spread_nM : Mapping[str, float]
        Published spread of the IC50, for the receptors that have one.
    """

    name: str
    source: str
    ic50_nM: Mapping[str, float]
    hill: Mapping[str, float]
    spread_nM: Mapping[str, float]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a pharmacokinetic model.

    Attributes
    ----------
    value : float
        Typical value, the median of a population.
    cv : float
        Coefficient of variation between subjects, log-normal; 0 if none is known.
    between : tuple of float, optional
        Lowest and highest value, if it varies uniformly.
    """

    value: float
    cv: float = 0.0
    between: tuple[float, float] | None = None

    def times(self, factor: float) -> Parameter:
        """Return the parameter of subjects in whom it is that many times as large."""
        between = self.between and (self.between[0] * factor, self.between[1] * factor)
        return Parameter(self.value * factor, self.cv, between)


@dataclass(frozen=True)
class Kinetics:
    """The pharmacokinetics of a drug in a species.

    Attributes
    ----------
    drug, species, name : str
        What it belongs to, and what the set is called.
    source, remark : str
        Where it was published, and what to know about it.
    parameters : Mapping[str, Parameter]
        By name, in the order and the units of ``PARAMETERS``.
    correlation : Mapping[tuple[str, str], float]
        Of the logarithms of two parameters between subjects.
    per_kg : bool
        Whether clearances and volumes are per kg of body weight.
    """

    drug: str
    species: str
    name: str
    source: str
    remark: str
    parameters: Mapping[str, Parameter]
    correlation: Mapping[tuple[str, str], float]
    per_kg: bool

    @property
    def apparent(self) -> bool:
        """Whether only CL/F and V/F are known, so that no i.v. dose can be computed."""
        return "F" not in self.parameters

    def model(
        self, weight_kg: float | None = None, values: Mapping[str, Array] | None = None
    ) -> Compartments:
        """Return the compartment model, in L and L/h.

        Parameters
        ----------
        weight_kg : float, optional
            Body weight; that of the species' data file if None. It matters where the
            parameters are per kg.
        values : mapping of str to array, optional
            Values of the parameters instead of the typical ones: see ``population``.
        """
        # here, so that reading a drug needs no NumPy
        from sim.pharmacology.compartments import OneCompartment, TwoCompartment

        weight_kg = body_weight_kg(self.species) if weight_kg is None else weight_kg
        if not weight_kg > 0.0:
            raise InputError(str(Problem("weight_kg", weight_kg, "must be above 0")))
        typical = {key: parameter.value for key, parameter in self.parameters.items()}
        found: dict[str, Any] = {**typical, **(values or {})}
        if self.per_kg:
            found |= {key: found[key] * weight_kg for key in found if "L" in PARAMETERS[key]}
        return OneCompartment(**found) if "V" in found else TwoCompartment(**found)

    def check(self, doses: Iterable[Dose], key: str = "doses.{}.route") -> None:
        """Refuse i.v. doses where only CL/F and V/F are known.

        Parameters
        ----------
        doses : iterable of Dose
            What is given.
        key : str
            Where a dose's route was chosen; ``{}`` becomes its place, from 0.

        Raises
        ------
        ScenarioError
            Naming each key that chose such a dose.
        """
        allowed = f"must be 'oral': only CL/F and V/F of {self.drug} in {self.species} are known"
        problems = {
            key.format(place): Problem(key.format(place), dose.route, allowed)
            for place, dose in enumerate(doses)
            if self.apparent and dose.route != "oral"
        }
        if problems:
            raise ScenarioError(self.drug, list(problems.values()))


@dataclass(frozen=True)
class Finding:
    """What was seen of cells in the drug: a dose of free drug and where that is from."""

    dose_nM: float
    source: str


@dataclass(frozen=True)
class Drug:
    """A drug.

    Attributes
    ----------
    name : str
        As its data file.
    molar_mass : float
        Of the free base, g/mol.
    potencies : Mapping[str, Potency]
        Sets of potencies by name.
    default_potency : str
        The set taken if none is named.
    fraction_unbound : Mapping[str, float]
        Share of the drug in plasma that is not bound, by species.
    pk : Mapping[str, Mapping[str, Kinetics]]
        Sets of pharmacokinetics by species and name; the first one counts if none is named.
    unharmed_up_to_nM, cytotoxic_ec50_nM : Mapping[str, Finding]
        By cell line the highest dose at which cells were seen unharmed, and the one that kills half
        of them; only what was found, nothing assumed.
    """

    name: str
    molar_mass: float
    potencies: Mapping[str, Potency]
    default_potency: str
    fraction_unbound: Mapping[str, float]
    pk: Mapping[str, Mapping[str, Kinetics]]
    unharmed_up_to_nM: Mapping[str, Finding]
    cytotoxic_ec50_nM: Mapping[str, Finding]

    def potency(self, name: str | None = None) -> Potency:
        """Return a set of potencies; the default one if no name is given.

        Raises
        ------
        InputError
            If the drug has no such set; the message names the nearest.
        """
        name = name or self.default_potency
        return self.potencies[_known(f"{self.name} has no potency set", name, self.potencies)]

    def kinetics(self, species: str, name: str | None = None) -> Kinetics:
        """Return the pharmacokinetics in a species; the first set if no name is given.

        Raises
        ------
        InputError
            If there is none; the message names the nearest.
        """
        species = _known(f"{self.name} has no pharmacokinetics in", species, self.pk)
        sets = self.pk[species]
        title = f"{self.name} in {species} has no pk_set"
        return sets[_known(title, name or next(iter(sets)), sets)]

    def unbound(self, species: str) -> float:
        """Return the fraction unbound in the plasma of a species.

        Raises
        ------
        InputError
            If it is not known.
        """
        title = f"{self.name} has no fraction_unbound in"
        return self.fraction_unbound[_known(title, species, self.fraction_unbound)]


def load_drug(name: str, own: str | None = None) -> Drug:
    """Return a drug of the data files, or of one's own.

    Parameters
    ----------
    name : str
    own : str, optional
        The content of a data file of one's own: `sim.pharmacology.drug_file.as_own`.

    Raises
    ------
    InputError
        If there is none of that name; the message names the nearest.
    """
    return _load_drug(data.FOLDER, name) if own is None else _own_drug(name, own)


@cache
def _load_drug(_: Path, name: str) -> Drug:
    return read_drug(name, data.read("drugs", name))


@cache
def _own_drug(name: str, own: str) -> Drug:
    return read_drug(name, json.loads(own)["tables"])


def read_drug(name: str, tables: Mapping[str, Any]) -> Drug:
    """Return a drug from the content of a data file.

    Raises
    ------
    InputError
        If a number is out of range, or a set of pharmacokinetics defines no model.
    """
    return Drug(
        name=name,
        molar_mass=float(tables["molar_mass_g_per_mol"]["value"]),
        potencies=MappingProxyType(
            {key: _potency(key, table) for key, table in tables["potency"].items()}
        ),
        default_potency=tables["default_potency"],
        fraction_unbound=MappingProxyType(_fractions(name, tables.get("fraction_unbound", {}))),
        pk=MappingProxyType(
            {
                species: MappingProxyType(
                    {key: _kinetics(name, species, key, table) for key, table in sets.items()}
                )
                for species, sets in tables.get("pk", {}).items()
            }
        ),
        unharmed_up_to_nM=MappingProxyType(_findings(name, "unharmed_up_to_nM", tables)),
        cytotoxic_ec50_nM=MappingProxyType(_findings(name, "cytotoxic_ec50_nM", tables)),
    )


def body_weight_kg(species: str) -> float:
    """Return the typical body weight of a species of the data files.

    Raises
    ------
    InputError
        If there is none of that name; the message names the nearest.
    """
    return float(data.read("species", species)["body_weight_kg"]["value"])


@overload
def inhibition(free_nM: float, potency: Potency) -> dict[str, float]: ...
@overload
def inhibition(free_nM: Array, potency: Potency) -> dict[str, Array]: ...
def inhibition(free_nM: float | Array, potency: Potency) -> Mapping[str, float | Array]:
    """Return the inhibited fraction of each receptor's activity.

    I = D^h / (IC50^h + D^h), the Hill equation for unbound drug D.

    Parameters
    ----------
    free_nM : float or array of float
        Concentration of unbound drug, at least 0.
    potency : Potency
        IC50 and slope of each receptor.

    Returns
    -------
    dict
        By receptor, values in [0, 1) of the shape of `free_nM`.
    """
    import numpy as np  # here, so that reading a drug needs no NumPy

    found: dict[str, float | Array] = {}
    for receptor, ic50_nM in potency.ic50_nM.items():
        with np.errstate(divide="ignore", over="ignore"):  # no drug: infinite odds against it
            odds = (ic50_nM / np.asarray(free_nM, dtype=np.float64)) ** potency.hill[receptor]
        found[receptor] = 1.0 / (1.0 + odds)
    return found


def _known(title: str, name: str, known: Iterable[str]) -> str:
    """Return a name that is known, or raise an error that lists those that are."""
    options = list(known)
    if name in options:
        return name
    hint = data.nearest(name, options)
    allowed = data.one_of(options) if options else "none is known"
    raise InputError(f"{title} {name!r}: {allowed}" + (f" ({hint})" if hint else ""))


def _fractions(drug: str, table: Mapping[str, Any]) -> dict[str, float]:
    """Read the fraction unbound of each species."""
    found = {species: float(leaf["value"]) for species, leaf in table.items()}
    for species, value in found.items():
        if not 0.0 < value <= 1.0:
            key = f"drugs/{drug}.toml: fraction_unbound.{species}"
            raise InputError(str(Problem(key, value, "must be above 0, at most 1")))
    return found


def _findings(drug: str, key: str, tables: Mapping[str, Any]) -> dict[str, Finding]:
    """Read what was found in cell lines; an assumption is no finding."""
    found = {}
    for line, leaf in tables.get(key, {}).items():
        where, value = f"drugs/{drug}.toml: {key}.{line}", float(leaf["value"])
        if not value > 0.0:
            raise InputError(str(Problem(where, value, "must be above 0")))
        if leaf["evidence"] == "assumed":
            allowed = "must not be 'assumed': only findings belong here"
            raise InputError(str(Problem(f"{where}.evidence", "assumed", allowed)))
        found[line] = Finding(value, leaf["source"])
    return found


def _kinetics(drug: str, species: str, name: str, table: Mapping[str, Any]) -> Kinetics:
    """Read one set of pharmacokinetics, and check that it defines a model."""
    where = f"drugs/{drug}.toml: pk.{species}.{name}"
    leaves = {key: leaf for key, leaf in table.items() if data.is_leaf(leaf)}
    if not any(need <= set(leaves) <= need | _OPTIONAL for need in (_ONE, _TWO)):
        options = " or ".join(", ".join(need) for need in map(sorted, (_ONE, _TWO)))
        allowed = f"must have {options} (and may have F, lag)"
        raise InputError(str(Problem(where, sorted(leaves), allowed)))
    per_kg = leaves["CL"]["unit"].endswith("/kg")
    for key, leaf in leaves.items():
        unit = PARAMETERS[key] + ("/kg" if per_kg and "L" in PARAMETERS[key] else "")
        if leaf.get("unit", "") != unit:
            allowed = f"must be {unit!r}" if unit else "must be left out"
            raise InputError(str(Problem(f"{where}.{key}.unit", leaf.get("unit"), allowed)))
    correlation = {}
    for pair, leaf in table.get("correlation", {}).items():
        one, _, other = pair.partition("_")
        if {one, other} - set(leaves) or not -1.0 <= leaf["value"] <= 1.0:
            allowed = "must be two parameters and a value from -1 to 1"
            raise InputError(str(Problem(f"{where}.correlation.{pair}", leaf["value"], allowed)))
        correlation[one, other] = float(leaf["value"])
    return Kinetics(
        drug=drug,
        species=species,
        name=name,
        source=str(table["source"]),
        remark=str(table.get("remark", "")),
        parameters=MappingProxyType(
            {key: _parameter(f"{where}.{key}", leaves[key]) for key in PARAMETERS if key in leaves}
        ),
        correlation=MappingProxyType(correlation),
        per_kg=per_kg,
    )


def _parameter(where: str, leaf: Mapping[str, Any]) -> Parameter:
    """Read a value and its spread: ``"29 %"`` log-normal, ``[low, high]`` uniform."""
    value, spread = float(leaf["value"]), leaf.get("spread")
    if isinstance(spread, str):
        try:
            return Parameter(value, cv=parse_quantity(spread, "1"))
        except ValueError:
            spread = None
    elif isinstance(spread, list) and len(spread) == 2 and spread[0] <= value <= spread[1]:
        return Parameter(value, between=(float(spread[0]), float(spread[1])))
    elif spread is None:
        return Parameter(value)
    raise InputError(
        str(Problem(f"{where}.spread", leaf["spread"], "must be '29 %' or a range with the value"))
    )


def _potency(name: str, table: Mapping[str, object]) -> Potency:
    """Read one set: a source, and a table for each receptor."""
    receptors = {key: leaves for key, leaves in table.items() if isinstance(leaves, dict)}
    return Potency(
        name=name,
        source=str(table["source"]),
        ic50_nM=MappingProxyType({k: float(v["ic50_nM"]["value"]) for k, v in receptors.items()}),
        hill=MappingProxyType({k: float(v["hill"]["value"]) for k, v in receptors.items()}),
        spread_nM=MappingProxyType(
            {
                k: float(v["ic50_nM"]["spread"])
                for k, v in receptors.items()
                if "spread" in v["ic50_nM"]
            }
        ),
    )
