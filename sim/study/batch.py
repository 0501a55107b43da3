"""The model as Mesa's ``batch_run`` wants it."""

from __future__ import annotations

from typing import Any

from sim.model import AngiogenesisModel
from sim.scenario.loading import load


class WholeRun(AngiogenesisModel):
    """A model whose one step is the whole experiment, and whose data collector has its end.

    ``mesa.batch_run`` looks records up by step, and the versions of Mesa disagree by one step on
    when to stop; with one step and one record there is nothing to disagree on.

    Parameters
    ----------
    scenario : str, Path or mapping
        As for `sim.load`; a mapping must be given to ``batch_run`` in a list.
    rng : int, optional
        Seed; the scenario's own if not given.
    **overrides
        Values by dotted key, ``"seed"`` among them: ``{"drug.free_nM": [0, 5.6]}``.

    Examples
    --------
    >>> mesa.batch_run(  # doctest: +SKIP
    ...     WholeRun, {"scenario": "tube_formation", "drug.free_nM": [0, 5.6], "seed": [1, 2]}
    ... )
    """

    def __init__(self, scenario: Any, rng: int | None = None, **overrides: Any) -> None:
        super().__init__(load(scenario, overrides), rng)

    def step(self) -> None:
        """Run the experiment to its end."""
        while self.mcs < self.scenario.time.steps:
            super().step()
        if self.readouts["mcs"] != self.mcs:
            self.record()
        collector = self.datacollector
        self.datacollector = type(collector)(model_reporters=collector.model_reporters)
        self.datacollector.collect(self)
        self.running = False
