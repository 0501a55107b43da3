"""``[resolved]``: the numbers that a scenario took from data files, kept with it.

A written scenario gives the same result after a data file is corrected, because it holds what it
was resolved with. Each part names the keys that it came from; where one of them has changed since,
the part is looked up anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from sim import data
from sim.errors import InputError
from sim.pharmacology.drug_file import is_own
from sim.pharmacology.drugs import Kinetics, Parameter, Potency, body_weight_kg, load_drug
from sim.tables import Kilograms, NanoMolar, Number, Switch, Table, Text, Whole

Tree = dict[str, Any]


class ResolvedDrug(Table):
    """What the data file of a drug says of it and of one set of potencies."""

    name: Text = Field(description="drug.name")
    potency: Text = Field(description="drug.potency")
    source: str = Field(description="where the potencies were published")
    ic50_nM: dict[str, NanoMolar] = Field(description="of unbound drug, by receptor")
    ic50_spread_nM: dict[str, NanoMolar] = Field({}, description="published spread, by receptor")
    hill: dict[str, Number] = Field(description="slope, by receptor")

    def potencies(self) -> Potency:
        """Return the set of potencies."""
        return Potency(self.potency, self.source, self.ic50_nM, self.hill, self.ic50_spread_nM)


class ResolvedParameter(Table):
    """A pharmacokinetic parameter."""

    value: Number = Field(description="typical value")
    cv: Number = Field(0.0, ge=0, description="coefficient of variation between subjects")
    between: tuple[Number, Number] | None = Field(
        None, strict=False, description="lowest and highest, if it varies uniformly"
    )


class ResolvedKinetics(Table):
    """What the data files say of a drug in a species."""

    drug: Text = Field(description="drug.name")
    species: Text = Field(description="drug.species")
    pk_set: Text = Field(description="drug.pk_set")
    source: str = Field(description="where it was published")
    remark: str = Field("", description="what to know about it")
    molar_mass_g_per_mol: Number = Field(gt=0, description="of the free base")
    fraction_unbound: Number = Field(gt=0, le=1, description="in plasma")
    body_weight_kg: Kilograms = Field(gt=0, description="typical weight of the species")
    per_kg: Switch = Field(description="whether clearances and volumes are per kg")
    parameters: dict[str, ResolvedParameter] = Field(description="by name")
    correlation: dict[str, Annotated[Number, Field(ge=-1, le=1)]] = Field(
        {}, description="of the logarithms of two parameters: CL_V"
    )

    def kinetics(self) -> Kinetics:
        """Return the pharmacokinetics."""
        parameters = {
            name: Parameter(found.value, found.cv, found.between)
            for name, found in self.parameters.items()
        }
        pairs = {pair.partition("_")[::2]: value for pair, value in self.correlation.items()}
        return Kinetics(
            self.drug, self.species, self.pk_set, self.source, self.remark, parameters, pairs,
            self.per_kg,
        )  # fmt: skip


class ResolvedReceptor(Table):
    """What the data file of a receptor says beside its constants."""

    ligand: Text = Field(description="what binds to it")


class ResolvedLigand(Table):
    """What the data file of a ligand says beside its defaults."""

    molar_mass_g_per_mol: Number = Field(gt=0, description="of what its receptor binds")


class ResolvedImage(Table):
    """What ``cells.image`` holds; written, not typed."""

    name: Text = Field(description="name of the file")
    size_px: tuple[Whole, Whole] = Field(description="width and height, pixels")
    whole: Switch = Field(description="whether it shows all of the domain: a PIFF need not")
    cells: Whole = Field(ge=1, description="how many cells it has")
    types: list[Text] = Field([], description="type of each cell, where the file says so")
    sha256: Text = Field(description="of its labels, 32 bits each, row by row")
    labels: list[Text] = Field(description="the labels, compressed, in base 64")


class Resolved(Table):
    """What was looked up in data files; written, not typed."""

    drug: ResolvedDrug | None = None
    pk: ResolvedKinetics | None = None
    partner: ResolvedDrug | None = None
    partner_pk: ResolvedKinetics | None = None
    own: Text | None = Field(None, description="content of drug.file, as JSON")
    partner_own: Text | None = Field(None, description="content of partner.file, as JSON")
    image: ResolvedImage | None = Field(None, description="content of cells.image")
    receptors: dict[str, ResolvedReceptor] = Field({}, description="by name")
    ligands: dict[str, ResolvedLigand] = Field({}, description="by name")


OWN = {"drug": "own", "partner": "partner_own"}
"""Where the content of a drug's file is, by table."""


def own_of(tree: Tree, key: str) -> str | None:
    """Return the content of the file of a drug, if it has one and is still called so."""
    written, drug = tree.get("resolved"), tree.get(key)
    own = written.get(OWN[key]) if isinstance(written, dict) else None
    name = drug.get("name") if isinstance(drug, dict) else None
    return own if isinstance(own, str) and isinstance(name, str) and is_own(name, own) else None


def resolve(tree: Tree) -> Tree:
    """Return ``[resolved]`` of a scenario.

    Parameters
    ----------
    tree : dict
        The scenario, perhaps with a ``[resolved]`` that it was written with. What is wrong with it
        is left out, to be reported by the checks.
    """
    given = tree.get("resolved")
    if given is not None and not isinstance(given, dict):
        return given  # type: ignore[no-any-return]  # the schema reports it
    written, found = given or {}, {key: item for key, item in (given or {}).items()}
    for part in ("drug", "pk", "partner", "partner_pk", "receptors", "ligands", *OWN.values()):
        found.pop(part, None)
    for key, of_pk in (("drug", "pk"), ("partner", "partner_pk")):
        drug = tree.get(key)
        if isinstance(drug, dict):
            named = {"name": drug.get("name"), "potency": drug.get("potency")}
            if (own := own_of(tree, key)) is not None:
                found[OWN[key]] = own
            found |= _part(key, written, named, partial(_drug, own))
            if drug.get("exposure") == "pk":
                named = {"drug": drug.get("name"), "species": drug.get("species")}
                if drug.get("pk_set") is not None:
                    named["pk_set"] = drug["pk_set"]
                found |= _part(of_pk, written, named, partial(_kinetics, own))
    signalling = tree.get("signalling")
    receptors = signalling.get("receptors") if isinstance(signalling, dict) else None
    for part, names, look_up in (
        ("receptors", receptors, _receptor), ("ligands", tree.get("ligands"), _ligand),
    ):  # fmt: skip
        if isinstance(names, dict) and names:
            before = written.get(part)
            before = before if isinstance(before, dict) else {}
            found[part] = {
                name: before[name] if name in before else look_up(name)
                for name in names
                if name in before or name in data.names(part)
            }
    return found


def _part(part: str, written: Tree, named: Tree, look_up: Callable[..., Tree]) -> Tree:
    """Return a part as written if it came from the same keys, else looked up, if that can be."""
    before = written.get(part)
    if isinstance(before, dict) and named.items() <= before.items():
        return {part: before}
    if not all(isinstance(name, str) for name in named.values()):
        return {}
    try:
        return {part: look_up(**named)}
    except InputError:
        return {}  # reported by the checks


def _drug(own: str | None, name: str, potency: str) -> Tree:
    chosen = load_drug(name, own).potency(potency)
    return {
        "name": name,
        "potency": chosen.name,
        "source": chosen.source,
        "ic50_nM": dict(chosen.ic50_nM),
        "ic50_spread_nM": dict(chosen.spread_nM),
        "hill": dict(chosen.hill),
    }


def _kinetics(own: str | None, drug: str, species: str, pk_set: str | None = None) -> Tree:
    found = load_drug(drug, own)
    chosen = found.kinetics(species, pk_set)
    return {
        "drug": drug,
        "species": species,
        "pk_set": chosen.name,
        "source": chosen.source,
        "remark": chosen.remark,
        "molar_mass_g_per_mol": found.molar_mass,
        "fraction_unbound": found.unbound(species),
        "body_weight_kg": body_weight_kg(species),
        "per_kg": chosen.per_kg,
        "parameters": {
            name: {"value": one.value, "cv": one.cv}
            | ({"between": list(one.between)} if one.between else {})
            for name, one in chosen.parameters.items()
        },
        "correlation": {"_".join(pair): value for pair, value in chosen.correlation.items()},
    }


def _receptor(name: str) -> Tree:
    return {"ligand": data.read("receptors", name)["ligand"]}


def _ligand(name: str) -> Tree:
    mass = data.values(data.read("ligands", name))["molar_mass_g_per_mol"]
    return {"molar_mass_g_per_mol": float(mass)}
