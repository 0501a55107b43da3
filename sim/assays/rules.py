"""How a check is declared: the keys that it reads decide when it is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sim import data
from sim.errors import Problem

NEAR = 1e-9
"""Relative error of a ratio that is meant to be whole."""
SIDE_SITES = 10
"""Fewer sites a side make no tissue."""


@dataclass(frozen=True)
class Check:
    """A check, as `reads` makes it of a function.

    Attributes
    ----------
    run : callable
        Yields the problems of a structurally valid scenario.
    reads : tuple of str
        Dotted keys; the check is left out if one of these is wrong. ``*`` stands for any name;
        of a key that ends in ``:`` only the names in the table are read.
    each : str
        A table of which it looks at each entry for itself: what it says of wrong ones is left out.
    """

    run: Callable[[Any], Iterator[Problem]]
    reads: tuple[str, ...]
    each: str

    def problems(self, scenario: Any, skip: Iterable[str]) -> list[Problem]:
        """Return what does not fit; `skip` holds the keys that are known to be wrong."""
        skip = list(skip)
        if any(_spoiled(key, other) for key in self.reads for other in skip):
            return []
        known = [key for key in skip if self.each and related(self.each, key)]
        return [
            problem
            for problem in self.run(scenario)
            if not any(related(problem.key, key) for key in known)
        ]


def reads(*keys: str, each: str = "") -> Callable[[Callable[[Any], Iterator[Problem]]], Check]:
    """Make a check of a function; see `Check`."""
    return lambda run: Check(run, keys, each)


def _spoiled(read: str, broken: str) -> bool:
    """Whether a key that is wrong decides what a check reads."""
    if read.endswith(":"):
        return f"{read[:-1]}.".startswith(f"{broken}.")
    return related(read, broken)


def related(one: str, other: str) -> bool:
    """Whether two dotted keys are equal or one lies below the other; ``*`` is any name."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return all(a == b or "*" in (a, b) for a, b in pairs)


def unknown_names(
    key: str, given: Iterable[str], known: Iterable[str], what: str
) -> Iterator[Problem]:
    """Yield a problem for each name that is not known."""
    known = list(known)
    for name in given:
        if name not in known:
            options = data.one_of(known) if known else "there is none here"
            yield Problem(
                f"{key}.{name}", None, f"unknown {what}; {options}", data.nearest(name, known)
            )


def is_whole(ratio: float) -> bool:
    """Whether a ratio is a whole number but for rounding."""
    return math.isfinite(ratio) and abs(ratio - round(ratio)) <= NEAR * max(1.0, abs(ratio))


def in_steps(hours: float | None, steps: int | None, mcs_s: float) -> float:
    """Return a time that is given in hours or in Monte Carlo steps, in steps."""
    return float(steps) if steps is not None else (hours or 0.0) * 3600 / mcs_s
