"""A design as planned: targets, what is varied, the schedules that are compared, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.assays import readout
from sim.scenario.partner import swapped
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.studies.plan import Planned

INHIBITION = "inhibition."
STATISTICS = {
    "mean": "mean",
    "min": "lowest",
    "max": "highest",
    "at_end": "final",
    "hours_above": "hours of",
    "auc": "area under",
}
"""Statistics over a window, and their words."""
UNITS = {"free_nM": "nM", "total_ng_ml": "ng/mL"}
WORDS = {"free_nM": "free drug at the cells", "total_ng_ml": "total drug in plasma"}
NAMED = ("first day", "last cycle", "steady", "schedule")
"""Windows that have a name, beside ``"day N"``."""


@dataclass(frozen=True)
class Target:
    """What must hold: a statistic of a quantity over a window, at least or at most a value.

    Attributes
    ----------
    of : str
        ``"free_nM"``, ``"total_ng_ml"``, ``"inhibition.RECEPTOR"``, or a read-out of the assay.
    statistic : str
        One of `STATISTICS`.
    value : float
        Its bound; of a read-out relative to control, the fraction.
    at_least : bool
        Whether the bound is a lower one.
    window : str
        One of `NAMED`, or ``"day N"``; empty with `hours`.
    hours : (float, float), optional
        Hours of the schedule.
    level : float or str, optional
        Of ``"hours_above"``: a number, or ``"ic50.RECEPTOR"``.
    share : float, optional
        Share of the subjects in whom it must hold; None for the typical subject.
    relative : bool
        Whether `value` is relative to the control without drug.
    limit : bool
        Whether it is one of ``[limits]``.
    """

    of: str
    statistic: str
    value: float
    at_least: bool
    window: str = "last cycle"
    hours: tuple[float, float] | None = None
    level: float | str | None = None
    share: float | None = None
    relative: bool = False
    limit: bool = False

    @property
    def of_tissue(self) -> bool:
        """Whether it is a read-out of the assay, which must be simulated."""
        return self.of not in UNITS and not self.of.startswith(INHIBITION)

    @property
    def quantity(self) -> str:
        """What is bounded, in words: ``mean inhibition of VEGFR2, last cycle``."""
        if self.of_tissue:
            words = readout(self.of).words
        else:
            words = WORDS.get(self.of, f"inhibition of {self.of.removeprefix(INHIBITION)}")
            words = f"{STATISTICS[self.statistic]} {words}"
        if self.level is not None:
            named = isinstance(self.level, str)
            level = f"the IC50 of {str(self.level)[5:]}" if named else f"{self.level:g} {self._of}"
            words += f" above {level}".rstrip()
        return f"{words}, {self.when}"

    @property
    def when(self) -> str:
        """The window in words."""
        if self.hours is not None:
            return f"{self.hours[0]:g}-{self.hours[1]:g} h"
        return {"steady": "steady state", "schedule": "whole schedule"}.get(
            self.window, self.window or "end of the run"
        )

    @property
    def unit(self) -> str:
        """The unit of its value; empty for a fraction."""
        if self.relative:
            return "of control"
        if self.of_tissue:
            return readout(self.of).unit
        return {"hours_above": "h", "auc": f"{self._of} h"}.get(self.statistic, self._of)

    def __str__(self) -> str:
        bound = f"{100 * self.value:g} %" if self.relative else f"{self.value:g}"
        text = f"{self.quantity} {'>=' if self.at_least else '<='} {bound} {self.unit}".rstrip()
        return text if self.share is None else f"{text} in {100 * self.share:g} % of subjects"

    @property
    def _of(self) -> str:
        return UNITS.get(self.of, "")


@dataclass(frozen=True)
class Vary:
    """The key that is minimised.

    Attributes
    ----------
    key : str
    low, high : float
        The range that is searched.
    strengths : tuple of float
        Values that exist, rising; empty if any will do.
    unit : str
    """

    key: str
    low: float
    high: float
    strengths: tuple[float, ...] = ()
    unit: str = "mg"

    @property
    def drug(self) -> str:
        """Whose dose it is: that of ``"drug"``, or of the second one, ``"partner"``."""
        return self.key.partition(".")[0]


@dataclass(frozen=True)
class Schedule:
    """One of the schedules that are compared: its name, and what it sets by dotted key."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DesignPlan(Planned):
    """A design as planned.

    Attributes
    ----------
    vary : Vary
    targets : sequence of Target
        The limits are the last of them.
    schedules : sequence of Schedule
    subjects : int
        Size of the virtual population.

    Notes
    -----
    `replicates` and `seed` are those of the runs behind targets in the tissue.
    """

    vary: Vary
    targets: Sequence[Target]
    schedules: Sequence[Schedule]
    subjects: int

    def scenario(self, schedule: Schedule, dose: float) -> Scenario:
        """Return the scenario of a schedule at a dose; the drug whose dose varies is the first."""
        found = load(self.base, schedule.settings | {self.vary.key: dose})
        return swapped(found) if self.vary.drug == "partner" else found

    @property
    def costs_over(self) -> str:
        """The window that costs are of: the steady state where a target is of it."""
        return "steady" if any(one.window == "steady" for one in self.targets) else "last cycle"
