"""Combined blockades, compared with the effect expected from their parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sim import hooks
from sim.analysis.dose_response import DoseResponses, Labels, arms, controls_of, dose_response
from sim.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from sim.fits.combination import Comparison
    from sim.studies.table import Study

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Combinations:
    """Effects of blockades, alone and together, in a study with ``[combination]``.

    Attributes
    ----------
    study : str
        Name of the study.
    response, dose : str
        The read-out, and the key of the dose.
    group : str
        The group whose arms are the blockades.
    parts : dict of str to list of str
        By arm of the group the arms that it combines.
    found : list of (dict, list of Comparison)
        For each arm: its name in each group and its values of what else is swept, and what it does
        at each dose above 0.
    drug : str
        Name of the drug, if all arms have the same one.
    """

    study: str
    response: str
    dose: str
    group: str
    parts: dict[str, list[str]]
    found: list[tuple[Labels, list[Comparison]]]
    drug: str = ""

    @property
    def measured(self) -> bool:
        """Whether any combination has been measured."""
        return any(
            one.inhibition is not None
            for labels, comparisons in self.found
            if labels[self.group] in self.parts
            for one in comparisons
        )

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm and dose, as in ``combination.csv``."""
        import pandas as pd

        rows = [
            {"response": self.response, **labels, **asdict(one)}
            for labels, comparisons in self.found
            for one in comparisons
        ]
        return pd.DataFrame(rows)

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw each combination beside the effect expected from its parts; return the figure."""
        return hooks.draw(self, fig=fig)


def combinations(study: Study, response: str | None = None) -> Combinations:
    """Compare combined blockades with their parts, as ``[combination]`` of a study names them.

    A combination is compared with those arms of its group that have all else in common with it.

    Parameters
    ----------
    study : Study
        A study with ``[combination]``.
    response
        As for `sim.analysis.dose_response.dose_response`.

    Raises
    ------
    InputError
        If the study has no ``[combination]`` or no such read-out, or is a shard.
    """
    if not study.plan.combination:
        raise InputError(f"{study.plan.name}: has no [combination]")
    return compare_parts(study, dose_response(study, response))


def compare_parts(study: Study, curves: DoseResponses) -> Combinations:
    """Compare combined blockades with their parts, whose dose-responses are known."""
    from sim.fits.combination import Blockade, compare

    tables, controls = arms(study, curves.response), controls_of(study, curves.response)
    group, parts = study.plan.combination["group"], study.plan.combination["parts"]
    known = {repr(labels): arm for arm, labels in curves.labels.items()}
    found = []
    for arm, labels in curves.labels.items():
        single = {
            name: known.get(repr({**labels, group: name})) for name in parts.get(labels[group], [])
        }
        blockades = {name: Blockade(tables[a][1], curves[a]) for name, a in single.items() if a}
        if arm in controls:
            whole = blockades if len(blockades) == len(single) else None
            found.append((labels, compare(*tables[arm], controls[arm], whole)))
    return Combinations(
        study.plan.name, curves.response, curves.dose, group, parts, found, curves.drug
    )
