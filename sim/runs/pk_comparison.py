"""Drugs and regimens side by side: one table, one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.errors import InputError
from sim.runs import pk_table
from sim.runs.pk import PK
from sim.scenario.cautions import mixed_potencies

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from pandas import DataFrame

MOST = 12
"""Results that one figure has room for."""


@dataclass(init=False, repr=False)
class PKComparison:
    """Results of `sim.pk` side by side.

    Parameters
    ----------
    results : mapping of str to PK, or sequence of PK
        By what they are called; the name of the scenario without that.

    Attributes
    ----------
    results : dict of str to PK

    Raises
    ------
    InputError
        If there are none, or too many for one figure.
    """

    results: dict[str, PK]

    def __init__(self, results: Mapping[str, PK] | Sequence[PK]) -> None:
        named = dict(results) if isinstance(results, Mapping) else _named(results)
        if not 1 <= len(named) <= MOST or not all(isinstance(one, PK) for one in named.values()):
            raise InputError(f"results: must be 1 to {MOST} results of sim.pk")
        self.results = named

    def __repr__(self) -> str:
        return f"<{', '.join(self.results)} side by side>"

    @property
    def warnings(self) -> list[str]:
        """What to know before they are compared: drugs whose potencies are of different assays."""
        mixed = mixed_potencies([one.scenario for one in self.results.values()])
        return [f"{one.allowed}; {one.hint}" for one in mixed]

    def to_list(self) -> list[dict[str, Any]]:
        """Return what `PK.to_dict` gives of each, with its label and the common warnings."""
        found = [one.labelled(label) for label, one in self.results.items()]
        for one in found:
            own = one["provenance"]
            own["warnings"] = list(dict.fromkeys([*own["warnings"], *self.warnings]))
        return found

    def table(self) -> DataFrame:
        """Return all read-outs as a data frame: a row for each; see `pk_table.records`."""
        return pk_table.frame(self.to_list())

    def csv(self) -> str:
        """Return the rows of `table` as a CSV file."""
        return pk_table.csv_of(self.to_list())

    def markdown(self) -> str:
        """Return their tables as Markdown, with where they come from."""
        return pk_table.markdown(self.to_list())

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw them side by side, also into a given figure; return it."""
        return hooks.draw(self, fig=fig)


def _named(results: Sequence[PK]) -> dict[str, PK]:
    """Return results by the names of their scenarios, and what tells equal ones apart."""
    names = [one.scenario.name for one in results]
    for apart in ("regimen", "settings"):
        if len(set(names)) < len(names):
            more = [getattr(one.provenance, apart) for one in results]
            equal = [names.count(name) > 1 for name in names]
            names = [
                f"{name}, {words}" if twice and words else name
                for name, words, twice in zip(names, more, equal, strict=True)
            ]
    counted = [names[: place + 1].count(name) for place, name in enumerate(names)]
    labels = [f"{name} ({n})" if n > 1 else name for name, n in zip(names, counted, strict=True)]
    return dict(zip(labels, results, strict=True))
