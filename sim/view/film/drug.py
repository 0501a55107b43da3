"""The drug clock: what is in the medium and at the cells at any time, and what it inhibits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.scenario.classes import ligands_of
from sim.scenario.exposure import effect_of, exposure_of
from sim.scenario.schema import Scenario
from sim.view import style

Array = NDArray[np.float64]


class DrugClock:
    """The media and the drugs of a scenario over time.

    Parameters
    ----------
    scenario : Scenario
    drug : bool
        Whether drugs are there; else growth factors alone.
    """

    def __init__(self, scenario: Scenario, *, drug: bool = True) -> None:
        self._ligands = {
            name: one
            for name, one in ligands_of(scenario).items()
            if one.gradient is None and (one.bath_ng_ml > 0 or one.media)
        }
        self._names = [one.name for one in (scenario.drug, scenario.partner) if one and drug]
        self._effect = effect_of(scenario) if drug else None
        self._exposures: list[Any] = [exposure_of(scenario)] if self._names else []
        if self._effect is not None:
            self._exposures = [agent.exposure for agent in self._effect.agents]

    def free_nM(self, time_h: Array) -> list[Array]:
        """Return the unbound concentration (times,) of each drug; there is none before time 0."""
        found = [np.asarray(one.free_nM(np.maximum(time_h, 0.0))) for one in self._exposures]
        return [np.where(time_h >= 0, values, 0.0) for values in found]

    def given(self, span_h: tuple[float, float]) -> bool:
        """Whether there is any drug between two times."""
        return any(bool((free > 0).any()) for free in self.free_nM(np.linspace(*span_h, 2000)))

    def inhibited(self, time_h: float) -> dict[str, float]:
        """Return the share of each receptor's signal that the drugs take away."""
        if self._effect is None or time_h < 0:
            return {}
        found = self._effect.inhibition(np.array([time_h]))
        return {name: float(share[0]) for name, share in found.items()}

    def words(self, time_h: float, *, widest: bool = False) -> list[str]:
        """Return what there is at a time: growth factors, drugs, what they inhibit.

        With `widest` the numbers take as much room as any can.
        """
        drugs = [float(free[0]) for free in self.free_nM(np.array([time_h]))]
        shares = self.inhibited(max(time_h, 0.0) if widest else time_h)
        found = [
            f"{name} {'888.8' if widest else style.number(one.bath_at(time_h))} ng/mL"
            for name, one in self._ligands.items()
        ]
        found += [
            f"{name} {'888.8' if widest else style.number(free)} nM unbound"
            for name, free in zip(self._names, drugs, strict=False)
        ]
        if widest or any(drugs) or any(share > 0.005 for share in shares.values()):
            found += [
                f"{'' if k else 'inhibited: '}{name} {'100' if widest else round(100 * share)} %"
                for k, (name, share) in enumerate(shares.items())
            ]
        return found
