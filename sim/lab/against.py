"""Measured dose-responses beside those of a study, each in percent of its own control."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.dose_response import arms, controls_of, dose_response
from sim.assays import responses
from sim.errors import InputError
from sim.fits.logistic import DoseResponse, normalised
from sim.lab.layout import Group
from sim.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sim.studies.table import Study

    Array = NDArray[np.float64]
    Fit = Callable[[Group], Any]

IC50S = ("ic50", "absolute_ic50")


@dataclass(frozen=True)
class Ratio:
    """IC50 measured over simulated, with 95 % limits; None is what is not known."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is not None and self.low is not None and self.high is not None:
            return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"
        bounds = [f"> {self.low:.3g}"] if self.low is not None else []
        bounds += [f"< {self.high:.3g}"] if self.high is not None else []
        if self.value is None:
            return ", ".join(bounds) or "not determined"
        return f"{self.value:.3g} ({', '.join(bounds) or 'no limits'})"


@dataclass(frozen=True)
class Pair:
    """A group of the table and an arm of the study, both in percent of their own controls.

    Attributes
    ----------
    group, arm : str
    measured, simulated : Fitted
        Doses are in the unit of the study.
    ratios : dict of str to Ratio
        Of ``ic50`` and ``absolute_ic50``, measured over simulated.
    """

    group: str
    arm: str
    measured: Any
    simulated: Any
    ratios: dict[str, Ratio]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as in ``fit.json``."""
        tree: dict[str, Any] = {"group": self.group, "arm": self.arm}
        for name, ratio in self.ratios.items():
            tree |= {f"{name}_ratio": ratio.value, f"{name}_ratio_low": ratio.low,
                     f"{name}_ratio_high": ratio.high}  # fmt: skip
        tree["measured"], tree["simulated"] = self.measured.to_dict(), self.simulated.to_dict()
        return tree


@dataclass(frozen=True)
class Against:
    """Measured dose-responses beside simulated ones.

    Attributes
    ----------
    study, readout : str
        Name of the study, and what of it is compared.
    dose, drug, unit : str
        The key of its doses, the name of its drug, if there is one, and the unit of doses.
    subtracted : bool
        Whether 0 % is the response of negative, or unstimulated, controls on both sides; else it
        is no response at all.
    pairs : tuple of Pair
    notes : tuple of str
    """

    study: str
    readout: str
    dose: str
    drug: str
    unit: str
    subtracted: bool
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as in ``fit.json``."""
        zero = "negative control" if self.subtracted else "no response"
        return {
            "study": self.study, "readout": self.readout, "dose": self.dose, "unit": self.unit,
            "percent": {"100": "control at dose 0", "0": zero},
            "pairs": [pair.to_dict() for pair in self.pairs], "notes": list(self.notes),
        }  # fmt: skip


def compare(
    groups: dict[str, Group],
    response: str,
    unit: str,
    study: Study,
    readout: str | None,
    fit: Fit,
) -> Against:
    """Compare groups of a table with the arms of a study that have their names.

    A study with one arm is compared with every group, and a table with one group with every arm.

    Parameters
    ----------
    groups : dict of str to Group
    response : str
        What is measured: also the read-out compared, if the study has one of that name.
    unit : str
        Of the doses; empty if not known, which is taken for that of the study.
    study : Study
        A complete one, with ``[dose_response]``.
    readout : str or None
        What is compared instead.
    fit : callable
        Gives the `Fitted` of a group in percent.

    Raises
    ------
    InputError
        If the study has no dose-response or no such read-out, units cannot be converted, a control
        is missing, or no group has the name of an arm.
    """
    notes: list[str] = []
    asked = list(study.plan.dose_response.get("responses", ()))
    if readout is None:
        readout = response if response in {*asked, *responses()} else None
        if readout is None and asked:
            readout = str(asked[0])
            notes.append(f"compared with {readout} of the study; --readout chooses another")
    found = dose_response(study, readout)
    factor = _factor(unit, found.unit, notes)
    raw, unstimulated = arms(study, found.response), controls_of(study, found.response)
    simulated = {
        arm: Group(dose, values, np.empty(values.shape, dtype=object), unstimulated.get(arm), True)
        for arm, (dose, values) in raw.items()
    }
    pairs = _pairs(groups, simulated)
    subtracted = all(
        one.background is not None
        for group, arm in pairs
        for one in (groups[group], simulated[arm])
    )
    if not subtracted and any(groups[group].background is not None for group, _ in pairs):
        notes.append("the study has no unstimulated control: negative controls are not subtracted")
    made = []
    for group, arm in pairs:
        own = replace(groups[group], dose=groups[group].dose * factor)
        ours = fit(_in_percent(own, group, notes, subtracted=subtracted))
        arm_of = f"{arm} of the study"
        theirs = fit(_in_percent(simulated[arm], arm_of, notes, subtracted=subtracted))
        if theirs.fit.ic50 is None and theirs.fit.note:
            notes.append(f"{arm_of}: {theirs.fit.note}")
        ratios = {name: ratio_of(ours.fit, theirs.fit, name) for name in IC50S}
        made.append(Pair(group, arm, ours, theirs, ratios))
    return Against(
        found.study, found.response, found.dose, found.drug, found.unit, subtracted, tuple(made),
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def ratio_of(over: DoseResponse, under: DoseResponse, name: str) -> Ratio:
    """Return the ratio of two IC50s that are independent of each other, with 95 % limits.

    Limits of the logarithm come from those of both IC50s (method of variance estimates recovery;
    Zou & Donner 2008, Stat Med 27:1693), so that they may be unequal, and open on a side. Where an
    IC50 is a bound alone, so is the ratio.
    """
    value, low, high = (_log(over, name + end) for end in ("", "_low", "_high"))
    other, least, most = (_log(under, name + end) for end in ("", "_low", "_high"))
    if value is not None and other is not None:
        middle = value - other
        down = None if low is None or most is None else math.hypot(value - low, most - other)
        up = None if high is None or least is None else math.hypot(high - value, other - least)
        ends = (None if down is None else middle - down, None if up is None else middle + up)
    else:
        middle = None
        ends = (None if low is None or most is None else low - most,
                None if high is None or least is None else high - least)  # fmt: skip
    return Ratio(*(None if x is None else math.exp(x) for x in (middle, *ends)))


def _log(fit: DoseResponse, name: str) -> float | None:
    value = getattr(fit, name)
    return None if value is None else math.log(value)


def _factor(unit: str, wanted: str, notes: list[str]) -> float:
    """Return by what doses are multiplied to be in the unit of the study."""
    if not unit:
        notes.append(f"the column of doses names no unit: taken as {wanted or 'that of the study'}")
        return 1.0
    try:
        return parse_quantity(f"1 {unit}", wanted or unit)
    except ValueError:
        raise InputError(
            f"doses in {unit} cannot be compared with those of the study, in {wanted}; add a "
            "column of doses in its unit"
        ) from None


def _pairs(groups: dict[str, Group], simulated: dict[str, Group]) -> list[tuple[str, str]]:
    """Return which group is compared with which arm."""
    known = {arm.casefold(): arm for arm in simulated}
    named = [(group, known[group.casefold()]) for group in groups if group.casefold() in known]
    if named:
        return named
    if len(simulated) == 1 or len(groups) == 1:
        return [(group, arm) for group in groups for arm in simulated]
    raise InputError(
        f"no group has the name of an arm of the study: groups are {', '.join(groups)}, arms are "
        f"{', '.join(simulated)}; call groups as the arms"
    )


def _in_percent(values: Group, name: str, notes: list[str], *, subtracted: bool) -> Group:
    """Return a group in percent of its control: that of each replicate, or of all together."""
    if values.dose[0] != 0 or not np.isfinite(values.response[:, 0]).any():
        raise InputError(f"{name}: has no dose 0, the control that is 100 %")
    full, none = values.response[:, :1], np.zeros((len(values.response), 1))
    if subtracted and values.background is not None:
        none = values.background[:, None]
    if not values.paired:
        full, none = np.full_like(full, np.nanmean(full)), np.full_like(none, np.nanmean(none))
    kept = np.isfinite(full + none)[:, 0]
    if not kept.all():
        gone = np.array(values.replicates or range(1, kept.size + 1))[~kept]
        notes.append(f"{name}: no control in replicate {', '.join(map(str, gone))}: left out")
    full, none = full[kept], none[kept]
    if (full == none).any():
        raise InputError(f"{name}: the control at dose 0 is {float(none[0, 0]):g}, which is 0 %")
    zero = None  # no response at all: known, and without an error
    if subtracted and values.background is not None:
        zero = normalised(values.background[kept], none[:, 0], full[:, 0])
    return replace(
        values,
        response=normalised(values.response[kept], none, full),
        lines=values.lines[kept],
        background=zero,
        replicates=tuple(one for one, use in zip(values.replicates, kept, strict=False) if use),
        sd=None if values.sd is None else np.abs(values.sd[kept] * 100.0 / (full - none)),
    )
