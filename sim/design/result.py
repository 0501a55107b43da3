"""What a design finds: by schedule the least dose, what it gives and what it costs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.design.plan import DesignPlan, Schedule, Target, Vary
from sim.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    Array = NDArray[Any]

COSTS = {
    "mg_per_day": "mg a day",
    "cmax_ng_ml": "Cmax, ng/mL",
    "trough_ng_ml": "trough, ng/mL",
    "auc_ng_h_ml_per_day": "AUC a day, ng h/mL",
}
"""What a schedule costs the typical subject, over `DesignPlan.costs_over`."""


@dataclass(frozen=True)
class Bound:
    """The dose from which on, or up to which, a target holds.

    Attributes
    ----------
    dose : float
        0 or inf if it holds at any dose that was looked at, nan if at none.
    least : bool
        Whether it holds from this dose on.
    nearest : (float, str), optional
        Where it holds at none, the dose that comes nearest, and what that gives.
    """

    dose: float
    least: bool
    nearest: tuple[float, str] | None = None


@dataclass(frozen=True)
class Reached:
    """What a target comes to at the dose that was chosen.

    Attributes
    ----------
    value : float
        In the typical subject; of a read-out, the mean of the replicates.
    share : float or None
        Share of the subjects in whom it holds; None where it is not known.
    low, high : float or None
        95 % confidence limits of a read-out.
    """

    value: float
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """A target over the dose.

    Attributes
    ----------
    target : Target
    doses, values : (doses,) ndarray
        The typical subject; of a read-out, means.
    bands : (3, doses) ndarray or None
        5th, 50th and 95th percentile of the population; of a read-out, confidence limits
        about the mean.
    shares : (doses,) ndarray or None
        Share of the subjects in whom it holds.
    """

    target: Target
    doses: Array
    values: Array
    bands: Array | None = None
    shares: Array | None = None


@dataclass
class Found:
    """What is found for a schedule.

    Attributes
    ----------
    schedule : Schedule
    words : str
        Its regimen, without the dose.
    bounds : dict of Target to Bound
    dose : float or None
        The least dose at which all targets hold, before rounding; None if there is none.
    strength : float or None
        The least strength that exists at which they hold.
    reason : str
        Why there is none.
    reached : dict of Target to Reached
        At the dose that was chosen.
    all_share : float or None
        Share of the subjects in whom all of them hold.
    costs : dict of str to float
        By names of `COSTS`.
    curves : list of Curve
    notes : list of str
        What else to know, such as a response that is not monotone.
    """

    schedule: Schedule
    words: str
    bounds: dict[Target, Bound]
    dose: float | None = None
    strength: float | None = None
    reason: str = ""
    reached: dict[Target, Reached] = field(default_factory=dict)
    all_share: float | None = None
    costs: dict[str, float] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rounds: bool = False

    @property
    def chosen(self) -> float | None:
        """The strength, or the dose where any will do."""
        return self.strength if self.rounds else self.dose


def choose(vary: Vary, bounds: Mapping[Target, Bound]) -> tuple[float | None, float | None, str]:
    """Return the least dose, the least strength, and why one of them is missing."""
    unit = f" {vary.unit}".rstrip()
    never = []
    for target, bound in bounds.items():
        if isnan(bound.dose):
            assert bound.nearest is not None
            dose, gives = bound.nearest
            never.append(f"{target}: holds at no dose; {_figures(dose)}{unit} gives {gives}")
    if never:
        return None, None, "; ".join(never)
    needs = {target: bound.dose for target, bound in bounds.items() if bound.least}
    allows = {target: bound.dose for target, bound in bounds.items() if not bound.least}
    hardest = max(needs, key=lambda t: needs[t], default=None)
    tightest = min(allows, key=lambda t: allows[t], default=None)
    least = max(vary.low, needs[hardest]) if hardest else vary.low
    most = min(vary.high, allows[tightest]) if tightest else vary.high
    what_for = f"{hardest} needs {_figures(least)}{unit}" if hardest else ""
    if least > vary.high:
        return None, None, f"{what_for}, above the highest dose of {vary.high:g}{unit}"
    if least > most:
        at_most = f"{tightest} allows at most {_figures(most)}{unit}"
        if most < vary.low:
            return None, None, f"{at_most}, below the lowest dose of {vary.low:g}{unit}"
        return None, None, f"{what_for}, and {at_most}"
    if not vary.strengths:
        return least, None, ""
    enough = [one for one in vary.strengths if one >= least]
    if not enough:
        highest = f"above the highest strength of {vary.strengths[-1]:g}{unit}"
        return least, None, f"{what_for}, {highest}"
    if enough[0] > most:
        at_most = f"{tightest} allows at most {_figures(most)}{unit}"
        return least, None, f"the next strength is {enough[0]:g}{unit}, and {at_most}"
    return least, enough[0], ""


def _figures(value: float) -> str:
    return f"{float(f'{value:.4g}'):g}"


@dataclass(repr=False)
class Design:
    """A design with what was found for each schedule.

    Attributes
    ----------
    plan : DesignPlan
    drug : dict
        What the doses are of: drug, species, sets of potencies and pharmacokinetics, kp_uu;
        ``"by schedule"`` where that differs.
    found : list of Found
        In the order of the schedules.
    folder : Path or None
        Where it was written; None if nothing was.
    """

    plan: DesignPlan
    drug: dict[str, Any]
    found: list[Found]
    folder: Path | None = None

    def __repr__(self) -> str:
        done = sum(one.chosen is not None for one in self.found)
        return f"<{self.plan.name}: a dose for {done} of {len(self.found)} schedules>"

    @property
    def best(self) -> Found | None:
        """The schedule with the least drug a day among those with a dose."""
        able = [one for one in self.found if one.chosen is not None]
        return min(able, key=lambda one: one.costs.get("mg_per_day", one.chosen or 0), default=None)

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw targets over the dose and schedules side by side, also into a given figure."""
        return hooks.draw(self, fig=fig)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, as in ``design.json``."""
        plan, vary = self.plan, self.plan.vary
        return {
            "name": plan.name,
            "version": __version__,
            **self.drug,
            "subjects": plan.subjects,
            "vary": {
                "key": vary.key, "unit": vary.unit, "low": vary.low, "high": vary.high,
                "strengths": list(vary.strengths),
            },
            "targets": [str(target) for target in plan.targets],
            "costs_over": plan.costs_over,
            "schedules": [self._schedule(one) for one in self.found],
        }  # fmt: skip

    def _schedule(self, one: Found) -> dict[str, Any]:
        return {
            "name": one.schedule.name,
            "regimen": one.words,
            "dose": one.dose,
            "strength": one.strength,
            "reason": one.reason,
            "notes": one.notes,
            "share": one.all_share,
            **{name: one.costs.get(name) for name in COSTS},
            "targets": [
                {
                    "target": str(target),
                    ("least_dose" if bound.least else "most_dose"): _finite(bound.dose),
                    **_reached(one.reached.get(target)),
                }
                for target, bound in one.bounds.items()
            ],
            "curves": [
                {
                    "target": str(curve.target),
                    "dose": curve.doses.tolist(),
                    "value": curve.values.tolist(),
                    **({} if curve.bands is None else dict(
                        zip(_bands(curve.target), map(_known, curve.bands), strict=True))),
                    **({} if curve.shares is None else {"share": curve.shares.tolist()}),
                }
                for curve in one.curves
            ],
        }  # fmt: skip

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return columns and rows of ``design.csv``: a row for each schedule."""
        numbers = range(1, len(self.plan.targets) + 1)
        columns = ["schedule", "dose", "strength", "share", *COSTS]
        columns += [f"{name}_{n}" for n in numbers for name in ("dose", "value", "share")]
        rows: list[list[Any]] = []
        for one in self.found:
            row = [one.schedule.name, one.dose, one.strength, one.all_share]
            row += [one.costs.get(name) for name in COSTS]
            for target in self.plan.targets:
                reached = one.reached.get(target)
                row.append(_finite(one.bounds[target].dose))
                row += [reached.value, reached.share] if reached else [None, None]
            rows.append([*row, one.reason])
        return [*columns, "reason"], rows

    def csv(self) -> str:
        """Return ``design.csv``."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        columns, rows = self.table()
        writer.writerow(columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
        return text.getvalue()


def _bands(target: Target) -> Sequence[str]:
    return ("low", "mean", "high") if target.of_tissue else ("p5", "p50", "p95")


def _known(values: Array) -> list[float | None]:
    return [_finite(value) for value in values.tolist()]


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _reached(found: Reached | None) -> dict[str, Any]:
    if found is None:
        return {}
    named = {"value": found.value, "share": found.share, "low": found.low, "high": found.high}
    return {name: value for name, value in named.items() if value is not None}
