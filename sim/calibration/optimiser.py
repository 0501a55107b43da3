"""The optimiser: Optuna, replayed from the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim.calibration.file import CalibrationPlan
from sim.errors import InputError

if TYPE_CHECKING:
    pass
from sim.calibration.result import Trial

SEED_BITS = 32  # of Optuna's samplers


class Optimiser:
    """Optuna's sampler, replayed in order; a context in which Optuna is silent."""

    def __init__(self, plan: CalibrationPlan) -> None:
        try:
            import optuna
        except ImportError:
            raise InputError(
                "angiosim calibrate needs Optuna: pip install 'angiosim[calib]'"
            ) from None
        self._optuna, self._plan = optuna, plan
        self._asked: list[Any] = []

    def __enter__(self) -> Optimiser:
        from warnings import catch_warnings, simplefilter

        self._verbosity = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        text = f"angiosim calibration {self._plan.seed} optimiser"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - SEED_BITS)
        with catch_warnings():  # of options that Optuna 4 calls experimental
            simplefilter("ignore")
            sampler = self._optuna.samplers.TPESampler(
                seed=seed,
                multivariate=True,  # parameters are fitted together
                constant_liar=True,  # points of a batch keep apart
            )
        self._study = self._optuna.create_study(sampler=sampler)
        return self

    def __exit__(self, *_: object) -> None:
        self._optuna.logging.set_verbosity(self._verbosity)

    def ask(self, count: int) -> list[dict[str, float]]:
        """Return the next points, as shares of the ranges."""
        share = self._optuna.distributions.FloatDistribution(0.0, 1.0)
        space = dict.fromkeys(self._plan.parameters, share)
        self._asked = [self._study.ask(space) for _ in range(count)]
        return [{key: asked.params[key] for key in space} for asked in self._asked]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Pass on the results of the points that were asked for, in their order."""
        for asked, trial in zip(self._asked, trials, strict=True):
            if trial.objective is None:
                self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(asked, trial.objective)
