"""Doses and regimens: what is given, when, and how it prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, isclose, isfinite, sqrt
from typing import Literal, get_args

from sim.data import nearest, one_of
from sim.errors import Problem, ScenarioError

Route = Literal["oral", "iv"]

ROUTES = get_args(Route)
MOST_DOSES = 100_000  # doses of one regimen
_UNITS = {"dose_mg": "mg", "dose_mg_per_kg": "mg/kg", "dose_mg_per_m2": "mg/m2"}
_ROUNDING = 1e-9  # of intervals such as 2.4 h, ten of which are a day


@dataclass(frozen=True)
class Dose:
    """One dose.

    Parameters
    ----------
    at_h : float
        Time, at least 0; of an infusion, its start.
    amount_mg : float
        At least 0.
    route : {"oral", "iv"}
        Swallowed, or given into a vein.
    infusion_h : float
        How long an i.v. infusion lasts; 0 is a bolus.

    Raises
    ------
    ScenarioError
        If the dose is impossible; its ``problems`` name key, value and what is allowed.
    """

    at_h: float
    amount_mg: float
    route: Route = "oral"
    infusion_h: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        for key in ("at_h", "amount_mg", "infusion_h"):
            value = getattr(self, key)
            if not (isfinite(value) and value >= 0.0):
                problems.append(Problem(key, value, "must be a number of at least 0"))
        if self.route not in ROUTES:
            problems.append(
                Problem("route", self.route, one_of(ROUTES), nearest(self.route, ROUTES))
            )
        if self.route == "oral" and self.infusion_h > 0.0:
            problems.append(Problem("infusion_h", self.infusion_h, "must be 0 for an oral dose"))
        if problems:
            raise ScenarioError("dose", problems)


@dataclass(frozen=True)
class Regimen:
    """Doses on a calendar: days on and off, in cycles. Day 1 begins with the first dose.

    Within a cycle doses are `every_h` apart. The interval must fit the calendar: it is at most
    the days on (or exactly one cycle), the next cycle begins `every_h` after the last dose of
    the one before if there are no days off, and no earlier than that if there are.

    Parameters
    ----------
    dose_mg, dose_mg_per_kg, dose_mg_per_m2 : float, optional
        One of the three: as such, by body weight, or by body surface.
    every_h : float
        Time between doses on the days on; 168 takes 7 days on for each dose.
    on_days, off_days : int
        Days with and without doses in a cycle.
    cycles : int or "steady"
        How many cycles are given; in the steady state they have been given for ever.
    reductions : mapping of int to float
        By cycle, the dose from that cycle on, in the unit of the dose.
    loading : float, optional
        The first dose of all, in the unit of the dose.
    missed_days, missed_doses : sequence of int
        Days on which nothing was taken, and doses that were not, both counted from 1 over all
        cycles.
    late_days, late_doses : mapping of int to float
        By day or number, how many hours late the dose was taken: before the next one. A late
        day shifts all doses of that day. A late dose still belongs to the cycle it was planned in.
    route : {"oral", "iv"}
        How it is given.
    infusion_h : float
        How long an i.v. infusion lasts; 0 is a bolus.
    first_h : float
        Time of the first dose.

    Raises
    ------
    ScenarioError
        If it makes no sense; its ``problems`` name key, value and what is allowed.
    """

    dose_mg: float | None = None
    dose_mg_per_kg: float | None = None
    dose_mg_per_m2: float | None = None
    every_h: float = 24.0
    on_days: int = 1
    off_days: int = 0
    cycles: int | Literal["steady"] = 1
    reductions: Mapping[int, float] = field(default_factory=dict)
    loading: float | None = None
    missed_days: Sequence[int] = ()
    missed_doses: Sequence[int] = ()
    late_days: Mapping[int, float] = field(default_factory=dict)
    late_doses: Mapping[int, float] = field(default_factory=dict)
    route: Route = "oral"
    infusion_h: float = 0.0
    first_h: float = 0.0

    def __post_init__(self) -> None:
        problems = list(self._wrong())
        if not problems:
            problems = [*self._misplaced(), *self._overtaken()]
        if problems:
            raise ScenarioError("regimen", problems)

    @property
    def cycle_h(self) -> float:
        """Length of a cycle, days on and off."""
        return 24.0 * (self.on_days + self.off_days)

    @property
    def steady(self) -> bool:
        """Whether the cycles have been given for ever."""
        return self.cycles == "steady"

    @property
    def counted(self) -> int:
        """How many cycles are counted out: one of a steady state."""
        return 1 if isinstance(self.cycles, str) else self.cycles

    @property
    def end_h(self) -> float:
        """End of the last cycle, its days off included."""
        return self.first_h + self.counted * self.cycle_h

    def doses(
        self, weight_kg: float | None = None, height_cm: float | None = None
    ) -> tuple[Dose, ...]:
        """Return the doses that were taken, in order of time; of a steady state, those of a cycle.

        Parameters
        ----------
        weight_kg : float, optional
            Body weight; needed for a dose in mg/kg or mg/m2.
        height_cm : float, optional
            Height; needed for a dose in mg/m2.

        Raises
        ------
        InputError
            If weight or height is needed and missing, or not above 0.
        """
        scale = self._scale({"weight_kg": weight_kg, "height_cm": height_cm})
        return tuple(
            Dose(at_h, amount * scale, self.route, self.infusion_h)
            for _, at_h, amount in self._taken()
        )

    def _scale(self, body: dict[str, float | None]) -> float:
        """Return mg per unit of the dose in a body."""
        needed = {
            "dose_mg_per_kg": {"weight_kg": "a body weight"},
            "dose_mg_per_m2": {"weight_kg": "a body weight", "height_cm": "a height"},
        }
        problems = [
            Problem(f"regimen.{self._key}", getattr(self, self._key), f"needs {words}: give {key}")
            for key, words in needed.get(self._key, {}).items()
            if body[key] is None
        ] + [
            Problem(key, value, "must be above 0")
            for key, value in body.items()
            if value is not None and not (isfinite(value) and value > 0.0)
        ]
        if problems:
            raise ScenarioError("regimen", problems)
        weight_kg, height_cm = body["weight_kg"] or 0.0, body["height_cm"] or 0.0
        if self._key == "dose_mg_per_m2":
            return body_surface_m2(weight_kg, height_cm)
        return weight_kg if self._key == "dose_mg_per_kg" else 1.0

    @property
    def _key(self) -> str:
        """The key that gives the dose."""
        given = [key for key in _UNITS if getattr(self, key) is not None]
        return given[0] if given else "dose_mg"

    def taken_h(self, cycle: int) -> list[float]:
        """Return when the doses that belong to a cycle (from 1) were taken, late ones too."""
        last = cycle * self._per_cycle
        return [at_h for number, at_h, _ in self._taken() if 0 <= last - number < self._per_cycle]

    def __str__(self) -> str:
        unit = _UNITS[self._key]
        first = self._amount(1)
        how = "orally" if self.route == "oral" else "i.v."
        if self.infusion_h:
            how += f" over {self.infusion_h:g} h"
        length, single = self.on_days + self.off_days, self._per_cycle * self.counted == 1
        single = single and not self.steady
        title = f"{first:g} {unit} {how}"
        title += " once" if single else f" every {self.every_h:g} h"
        if self.off_days:
            title += f", {_days(1, self.on_days)} of {length}"
        elif length > 1 or not single:
            title += f", {length} day{'s' if length > 1 else ''}"
        title += ", in steady state" if self.steady else ""
        title += f", {self.cycles} cycles" if self.counted > 1 else ""
        if self.loading is not None:
            title += f", first dose {self.loading:g} {unit}"
        if self.first_h:
            title += f", from {self.first_h:g} h"
        return "\n".join([title, *self._calendar(unit), *self._legend()])

    def _amount(self, cycle: int) -> float:
        """Return the dose of a cycle: that of the last reduction up to it."""
        steps = [step for step in self.reductions if step <= cycle]
        return self.reductions[max(steps)] if steps else float(getattr(self, self._key))

    @property
    def _per_cycle(self) -> int:
        """How many doses are planned in a cycle."""
        return self._intervals(self.on_days)

    def _intervals(self, on_days: int) -> int:
        """Return how many intervals begin within so many days on."""
        return ceil(24.0 * on_days / self.every_h * (1.0 - _ROUNDING))

    def _fits(self, on_days: int) -> bool:
        """Whether doses would be as far apart as asked with so many days on."""
        cycle_h = 24.0 * (on_days + self.off_days)
        if self.every_h > 24.0 * on_days and not isclose(self.every_h, cycle_h):
            return False
        join_h = cycle_h - (self._intervals(on_days) - 1) * self.every_h  # to the next cycle
        even = abs(join_h - self.every_h) <= _ROUNDING * cycle_h
        return self.cycles == 1 or even or (self.off_days > 0 and join_h > self.every_h)

    def _planned(self) -> list[tuple[float, float, int]]:
        """Return time since the first dose, amount and day (from 1) of each dose as planned."""
        found: list[tuple[float, float, int]] = []
        for cycle in range(self.counted):
            for place in range(self._per_cycle):
                at_h = cycle * self.cycle_h + place * self.every_h
                amount = self._amount(cycle + 1)
                if self.loading is not None and not found:
                    amount = self.loading
                found.append((at_h, amount, day_of(at_h)))
        return found

    def _taken(self) -> list[tuple[int, float, float]]:
        """Return number, time and amount of each dose that was taken."""
        found = []
        for number, (at_h, amount, day) in enumerate(self._planned(), start=1):
            if number in self.missed_doses or day in self.missed_days:
                continue
            late_h = self.late_doses.get(number, self.late_days.get(day, 0.0))
            found.append((number, self.first_h + at_h + late_h, amount))
        return found

    def _wrong(self) -> Iterator[Problem]:
        """Yield what is wrong with single fields, or with how they fit."""
        if sum(getattr(self, key) is not None for key in _UNITS) != 1:
            allowed = f"give either {', '.join(list(_UNITS)[:-1])} or {list(_UNITS)[-1]}"
            yield Problem("regimen.dose_mg", self.dose_mg, allowed)
            return
        at_least_0 = {self._key: getattr(self, self._key), "first_h": self.first_h}
        at_least_0 |= {"infusion_h": self.infusion_h}
        at_least_0 |= {} if self.loading is None else {"loading": self.loading}
        at_least_0 |= {f"reductions.{cycle}": value for cycle, value in self.reductions.items()}
        at_least_0 |= {f"late_days.{day}": late_h for day, late_h in self.late_days.items()}
        at_least_0 |= {f"late_doses.{which}": late_h for which, late_h in self.late_doses.items()}
        for key, value in at_least_0.items():
            if not (isfinite(value) and value >= 0.0):
                yield Problem(f"regimen.{key}", value, "must be at least 0")
        if not (isfinite(self.every_h) and self.every_h > 0.0):
            yield Problem("regimen.every_h", self.every_h, "must be above 0")
            return
        whole = True
        for key, lowest in (("on_days", 1), ("off_days", 0), ("cycles", 1)):
            value = getattr(self, key)
            if key == "cycles" and value == "steady":
                yield from self._of_one_cycle()
            elif isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                yield Problem(f"regimen.{key}", value, f"must be a whole number from {lowest}")
                whole = False
        if self.route not in ROUTES:
            hint = nearest(self.route, ROUTES)
            yield Problem("regimen.route", self.route, one_of(ROUTES), hint)
        if self.route == "oral" and self.infusion_h > 0.0:
            yield Problem("regimen.infusion_h", self.infusion_h, "must be 0 for an oral dose")
        if not whole:
            return
        if self.counted * max(1.0, 24.0 * self.on_days / self.every_h) > MOST_DOSES:
            yield Problem("regimen.every_h", self.every_h, f"makes more than {MOST_DOSES} doses")
            return
        if not self._fits(self.on_days):
            yield self._misfit()

    def _of_one_cycle(self) -> Iterator[Problem]:
        """Yield what a steady state cannot have, being of one cycle as of another."""
        for key in (
            "reductions", "loading", "missed_days", "missed_doses", "late_days", "late_doses",
        ):  # fmt: skip
            value = getattr(self, key)
            if value not in (None, {}, (), []):
                yield Problem(f"regimen.{key}", value, "needs a number of cycles, not 'steady'")

    def _misplaced(self) -> Iterator[Problem]:
        """Yield the days, doses and cycles that do not exist."""
        planned = self._planned()
        days, count = {day for *_, day in planned}, len(planned)
        for key in ("missed_days", "late_days"):
            for day in getattr(self, key):
                if day not in days:
                    last = self.counted * (self.on_days + self.off_days)
                    yield Problem(f"regimen.{key}", day, f"must be a day with a dose, of 1-{last}")
        for key in ("missed_doses", "late_doses"):
            for number in getattr(self, key):
                if not 1 <= number <= count:
                    yield Problem(f"regimen.{key}", number, f"must be a dose from 1 to {count}")
        for cycle in self.reductions:
            if not 1 <= cycle <= self.counted:
                allowed = f"must be a cycle from 1 to {self.counted}"
                yield Problem("regimen.reductions", cycle, allowed)

    def _misfit(self) -> Problem:
        """Return that the interval does not fit the calendar, and the days on that would do."""
        first = max(self.on_days + 1, ceil(self.every_h / 24.0))
        enough = next(
            (days for days in range(first, self.on_days + 3660) if self._fits(days)), None
        )
        allowed = f"does not fit {self.on_days} day{'s' if self.on_days > 1 else ''} on"
        if self.off_days:
            allowed += f" and {self.off_days} off"
        hint = f"on_days = {enough} would do" if enough else "24 * on_days must be a multiple of it"
        return Problem("regimen.every_h", self.every_h, allowed, hint)

    def _overtaken(self) -> Iterator[Problem]:
        """Yield the late doses that come no earlier than the next one."""
        days = [day for *_, day in self._planned()]
        for (number, at_h, _), (following, next_h, _) in pairwise(self._taken()):
            if at_h >= next_h:
                day = days[number - 1]
                key, late_h = f"late_days.{day}", self.late_days.get(day)
                if number in self.late_doses:
                    key, late_h = f"late_doses.{number}", self.late_doses[number]
                allowed = f"must leave dose {number} before dose {following}, at {next_h:g} h"
                yield Problem(f"regimen.{key}", late_h, allowed)

    def _marks(self) -> list[str]:
        """Return for each day o (dose), x (missed), > (late) or . (none)."""
        marks = ["."] * (self.counted * (self.on_days + self.off_days))
        for number, (_, _, day) in enumerate(self._planned(), start=1):
            missed = number in self.missed_doses or day in self.missed_days
            late = self.late_doses.get(number, self.late_days.get(day, 0.0)) > 0.0
            mark = "x" if missed else ">" if late else "o"
            marks[day - 1] = max(marks[day - 1], mark, key=".o>x".index)
        return marks

    def _calendar(self, unit: str) -> Iterator[str]:
        """Yield a line for each cycle, or run of equal cycles."""
        length, marks = self.on_days + self.off_days, self._marks()
        rows: list[tuple[int, int, str, str]] = []  # first, last, dose, days
        for cycle in range(1, self.counted + 1):
            days = "".join(marks[(cycle - 1) * length : cycle * length])
            weeks = " ".join(days[week : week + 7] for week in range(0, length, 7))
            dose = f"{self._amount(cycle):g} {unit}"
            if rows and rows[-1][2:] == (dose, weeks):
                rows[-1] = (rows[-1][0], cycle, dose, weeks)
            else:
                rows.append((cycle, cycle, dose, weeks))
        names = [f"{a}" if a == b else f"{a}-{b}" for a, b, *_ in rows]
        names = ["each"] if self.steady else names
        spans = [_days((a - 1) * length + 1, b * length) for a, b, *_ in rows]
        columns = [max(map(len, column)) for column in (names, spans, [row[2] for row in rows])]
        for name, span, (*_, dose, weeks) in zip(names, spans, rows, strict=True):
            yield (
                f"  cycle {name:<{columns[0]}}  {span:<{columns[1]}}  {dose:>{columns[2]}}  {weeks}"
            )

    def _legend(self) -> Iterator[str]:
        """Yield what the marks mean, those that occur."""
        marks = set(self._marks())
        words = {"o": "dose", "x": "missed", ">": "late", ".": "no dose"}
        yield "  " + ", ".join(f"{mark} {word}" for mark, word in words.items() if mark in marks)


def body_surface_m2(weight_kg: float, height_cm: float) -> float:
    """Return the body surface of a person (Mosteller 1987, N Engl J Med 317:1098)."""
    return sqrt(weight_kg * height_cm / 3600.0)


def day_of(since_h: float) -> int:
    """Return the day of a time since the first dose: day 1 is the first 24 h."""
    return int(since_h / 24.0 * (1.0 + _ROUNDING)) + 1


def days_of(start_h: float, end_h: float) -> tuple[int, int]:
    """Return the first and the last day of a stretch of time since the first dose."""
    first = day_of(start_h)
    return first, max(first, ceil(end_h / 24.0 * (1.0 - _ROUNDING)))


def _days(first: int, last: int) -> str:
    return f"day {first}" if first == last else f"days {first}-{last}"
