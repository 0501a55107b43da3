"""Where the numbers of a drug in a body come from: version, sets, regimen, own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.pharmacology.drugs import Parameter
from sim.scenario.cautions import mixed_potencies
from sim.scenario.exposure import given_words, kinetics_of, pk_label, potency_label
from sim.scenario.schema import Scenario
from sim.scenario.writing import scenario_hash
from sim.version import __version__

NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Provenance:
    """What stands behind a result.

    Attributes
    ----------
    version, scenario, scenario_hash : str
        Of angiosim, and of the scenario by name and content.
    potency, pk_set, regimen : str
        The sets by name, with a word on numbers of one's own, and the doses in a line.
    set : dict of str to any
        Settings of the command line (``--set``) or of `overrides`, by key.
    own : dict of str to float
        Numbers that the scenario gives instead of the drug's data file, by key.
    spread : dict of str to str
        How each parameter varies between subjects: a coefficient of variation, a range,
        ``"set"`` for one that the scenario gives, or ``"not known"``.
    ic50_spread : dict of str to str
        Spread of each IC50: between subjects where the scenario gives it, else as published,
        ``"set"`` for one that the scenario gives, or ``"not known"``.
    warnings : tuple of str
        Such as potencies from different assays side by side.
    """

    version: str
    scenario: str
    scenario_hash: str
    potency: str
    pk_set: str
    regimen: str
    set: dict[str, Any]
    own: dict[str, float]
    spread: dict[str, str]
    ic50_spread: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def unknown_spread(self) -> list[str]:
        """Parameters whose spread between subjects is not known."""
        return [name for name, words in self.spread.items() if words == NOT_KNOWN]

    @property
    def settings(self) -> str:
        """What was set, in a line."""
        return ", ".join(f"{key} = {value}" for key, value in self.set.items())

    @property
    def nothing_varies(self) -> bool:
        """Whether no parameter differs between subjects."""
        return all(words in (NOT_KNOWN, "set") for words in self.spread.values())

    def __str__(self) -> str:
        lines = [
            f"angiosim {self.version}, scenario {self.scenario}, hash {self.scenario_hash[:12]}",
            f"potency set {self.potency}; pharmacokinetics {self.pk_set}",
        ]
        if self.set:
            lines.append(f"set: {self.settings}")
        return "\n".join([*lines, *(f"warning: {one}" for one in self.warnings)])


def provenance(scenario: Scenario, overrides: Mapping[str, Any] | None = None) -> Provenance:
    """Return where the numbers of a scenario that doses a body come from.

    Parameters
    ----------
    scenario : Scenario
        With ``drug.exposure = "pk"``.
    overrides : mapping, optional
        Settings by dotted key that were laid over it.
    """
    drug, resolved = scenario.drug, scenario.resolved
    assert drug is not None and resolved.drug is not None and resolved.pk is not None
    kinetics = kinetics_of(scenario)
    own = {f"ic50_nM.{name}": value for name, value in drug.ic50_nM.items()}
    own |= {f"hill.{name}": value for name, value in drug.hill.items()}
    own |= {f"residence_h.{name}": value for name, value in drug.residence_h.items()}
    own |= {f"pk.{name}": value for name, value in drug.pk.items()}
    own |= {"fraction_unbound": drug.fraction_unbound} if drug.fraction_unbound else {}
    return Provenance(
        version=__version__,
        scenario=scenario.name,
        scenario_hash=scenario_hash(scenario),
        potency=potency_label(drug, resolved.drug),
        pk_set=pk_label(scenario),
        regimen=given_words(scenario),
        set=dict(overrides or {}),
        own={f"drug.{key}": value for key, value in own.items()},
        spread={
            name: "set" if name in drug.pk else _spread(parameter)
            for name, parameter in kinetics.parameters.items()
        },
        ic50_spread={
            name: f"{100 * drug.ic50_cv[name]:g} % between subjects"
            if drug.ic50_cv.get(name)
            else "set"
            if name in drug.ic50_nM
            else f"{resolved.drug.ic50_spread_nM[name]:g} nM"
            if name in resolved.drug.ic50_spread_nM
            else NOT_KNOWN
            for name in resolved.drug.ic50_nM
        },
        warnings=tuple(f"{one.allowed}; {one.hint}" for one in mixed_potencies([scenario])),
    )


def _spread(parameter: Parameter) -> str:
    """Return how a parameter varies."""
    if parameter.between is not None:
        return f"{parameter.between[0]:g}-{parameter.between[1]:g}"
    return f"{100 * parameter.cv:g} %" if parameter.cv else NOT_KNOWN
