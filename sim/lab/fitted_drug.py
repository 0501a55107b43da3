"""The drug file that a fit leaves, ready to dose with."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import tomli_w

from sim import data
from sim.errors import InputError, Problem
from sim.lab.samples import Samples
from sim.pharmacology.drug_file import PLACEHOLDER, template

NAME, SET = "drug", "fitted"


@dataclass(frozen=True)
class Fitted:
    """A parameter of the file: its value, unit, spread between subjects and where it is from."""

    value: float
    unit: str
    cv: float | None
    source: str


def check_species(species: str) -> None:
    """Refuse a species that the data files do not have."""
    known = data.names("species")
    if species not in known:
        hint = data.nearest(str(species), known)
        raise InputError(str(Problem("--species", species, data.one_of(known), hint)))


def drug_file(samples: Samples, species: str, parameters: Mapping[str, Fitted], source: str) -> str:
    """Return a drug file whose set of pharmacokinetics is the fitted one.

    What samples do not tell (potencies, molar mass, binding in plasma) is that of the drug that was
    named, or a placeholder that `angiosim validate` warns of.
    """
    blank = {"source": PLACEHOLDER, "evidence": "assumed"}
    if samples.drug is not None:
        tables = {**samples.drug}
        tables.pop("reported", None)  # of other pharmacokinetics
    else:
        tables = tomllib.loads(template(NAME))
        tables["fraction_unbound"] = {}
        leaf = tables["molar_mass_g_per_mol"]
        given = {"value": samples.molar_mass, "source": "given with the samples"}
        tables["molar_mass_g_per_mol"] = {
            **leaf, **(blank if samples.molar_mass is None else given)
        }  # fmt: skip
    tables.pop("pk", None)
    shares = {species: {"value": 0.1, **blank}, **tables.get("fraction_unbound", {})}
    tables["fraction_unbound"] = shares
    lines = [
        "# Pharmacokinetics fitted to samples by `angiosim pk-fit`. A scenario in this folder uses",
        f'# them with  drug.file = "{NAME}.toml". `angiosim validate {NAME}.toml` lists what is',
        "# still a placeholder.",
        tomli_w.dumps(tables),
        f"[pk.{species}.{SET}]",
        f"source = {_text(source)}",
    ]
    if "ka" in parameters and "F" not in parameters:
        lines.append('remark = "CL, Q and volumes are those over F: only oral doses were sampled"')
    for name, one in parameters.items():
        leaf = f"value = {one.value!r}"
        leaf += f', spread = "{100.0 * one.cv:.3g} %"' if one.cv is not None else ""
        leaf += f", unit = {_text(one.unit)}" if one.unit else ""
        lines.append(f'{name} = {{{leaf}, source = {_text(one.source)}, evidence = "calibrated"}}')
    if "ka" not in parameters:  # nothing is known of absorption
        leaf = f'source = "{PLACEHOLDER}", evidence = "assumed"'
        lines += [f'ka = {{value = 1, unit = "1/h", {leaf}}}', f"F = {{value = 1, {leaf}}}"]
    return "\n".join(lines) + "\n"


def _text(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)
