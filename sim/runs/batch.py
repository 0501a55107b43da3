"""The model for Mesa's ``batch_run``."""

from __future__ import annotations

import sys
from typing import Any

from sim.model.clock import AngiogenesisModel
from sim.runs.seeds import replicate_seed
from sim.scenario.resolve import load


class WholeRun(AngiogenesisModel):
    """A model whose one step is the whole experiment, and whose data collector has its end.

    ``mesa.batch_run`` looks records up by step, and the versions of Mesa disagree by one step on
    when to stop; with one step and one record there is nothing to disagree on.

    A seed that is given is used. Else the first iteration has the scenario's seed, and each other
    one has a seed that follows from it and from the iteration's number. The column ``seed`` of the
    results has the seed of each run.

    Parameters
    ----------
    scenario : str, Path or mapping
        As for `sim.load`; a mapping must be given to ``batch_run`` in a list.
    rng : int, optional
        Seed.
    **overrides
        Values by dotted key, ``"seed"`` among them: ``{"drug.free_nM": [0, 5.6]}``.

    Examples
    --------
    >>> mesa.batch_run(  # doctest: +SKIP
    ...     WholeRun, {"scenario": "mine.toml", "drug.free_nM": [0, 5.6], "seed": [1, 2]}
    ... )
    """

    def __init__(self, scenario: Any, rng: int | None = None, **overrides: Any) -> None:
        resolved = load(scenario, overrides)
        iteration = _iteration()
        if rng is None and "seed" not in overrides and iteration > 0:
            rng = replicate_seed(resolved.seed, iteration, "batch_run")
        super().__init__(resolved, rng)

    def step(self) -> None:
        """Run the experiment to its end."""
        while self.running:
            super().step()
        collector = self.datacollector
        reporters = {**collector.model_reporters, "seed": "seed"}
        self.datacollector = type(collector)(model_reporters=reporters)
        self.datacollector.collect(self)


def _iteration() -> int:
    """Number, from 0, of the iteration that ``batch_run`` is at: it gives it to no model."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        if frame.f_globals.get("__name__") == "mesa.batchrunner":
            return int(frame.f_locals.get("iteration", 0))
    return 0
