"""Drugs as data, and the inhibition of each receptor by unbound drug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from sim import data
from sim.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


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
class Drug:
    """A drug: its name, molar mass in g/mol, and its sets of potencies by name."""

    name: str
    molar_mass: float
    potencies: Mapping[str, Potency]
    default_potency: str

    def potency(self, name: str | None = None) -> Potency:
        """Return a set of potencies; the default one if no name is given.

        Raises
        ------
        InputError
            If the drug has no such set; the message names the nearest.
        """
        name = name or self.default_potency
        if name not in self.potencies:
            hint = data.nearest(name, self.potencies)
            raise InputError(
                f"{self.name} has no potency set {name!r}: {data.one_of(self.potencies)}"
                + (f" ({hint})" if hint else "")
            )
        return self.potencies[name]


def load_drug(name: str) -> Drug:
    """Return a drug of the data files.

    Raises
    ------
    InputError
        If there is none of that name; the message names the nearest.
    """
    tables = data.read("drugs", name)
    return Drug(
        name=name,
        molar_mass=float(tables["molar_mass_g_per_mol"]["value"]),
        potencies=MappingProxyType(
            {key: _potency(key, table) for key, table in tables["potency"].items()}
        ),
        default_potency=tables["default_potency"],
    )


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
    found: dict[str, float | Array] = {}
    for receptor, ic50_nM in potency.ic50_nM.items():
        ratio = (free_nM / ic50_nM) ** potency.hill[receptor]
        found[receptor] = ratio / (1.0 + ratio)
    return found


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
