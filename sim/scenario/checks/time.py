"""Checks of [time]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.assays.rules import NEAR, in_steps, reads
from sim.errors import Problem
from sim.scenario.schema import Scenario

MOST_STEPS = 10_000_000  # ten years at 30 s


@reads("time")
def _time(scenario: Scenario) -> Iterator[Problem]:
    time = scenario.time
    if time.duration_h is None and time.duration_mcs is None:
        yield Problem("time", None, "needs duration_h")
        return
    if time.record_every_h is None and time.record_every_mcs is None:
        yield Problem("time", None, "needs record_every_h")
        return
    steps = in_steps(time.duration_h, time.duration_mcs, time.mcs_s)
    every = in_steps(time.record_every_h, time.record_every_mcs, time.mcs_s)
    length, interval = _key(time, "duration"), _key(time, "record_every")
    step_h = time.mcs_s / 3600
    least = f"one step ({step_h:.4g} h; time.mcs_s)"
    if steps < 1 - NEAR:
        yield Problem(f"time.{length[0]}", length[1], f"must be at least {least}")
    elif steps > MOST_STEPS:
        yield Problem(
            f"time.{length[0]}",
            length[1],
            f"gives {steps:.3g} steps; must be at most {MOST_STEPS:,} "
            f"({MOST_STEPS * step_h:.4g} h)",
        )
    if steps < 1 - NEAR:
        return
    if every < 1 - NEAR:
        yield Problem(f"time.{interval[0]}", interval[1], f"must be at least {least}")
    elif every > steps * (1 + NEAR):
        yield Problem(
            f"time.{interval[0]}",
            interval[1],
            f"must be at most the length of the run, {length[0]} = {length[1]:g}",
        )


@reads("time", "record.checkpoint")
def _kept(scenario: Scenario) -> Iterator[Problem]:
    time = scenario.time
    for place, time_h in enumerate(scenario.record.checkpoint):
        if not -NEAR <= time.step_at(time_h) <= time.steps + NEAR:
            end_h = time.start_h + time.steps * time.mcs_s / 3600
            yield Problem(
                f"record.checkpoint.{place}",
                time_h,
                f"must be a time of the run, {time.start_h:g} to {end_h:.6g} h",
            )


def _key(time: Any, what: str) -> tuple[str, float]:
    """Return which of two alternative keys of [time] was given, and its value."""
    key = f"{what}_mcs" if getattr(time, f"{what}_h") is None else f"{what}_h"
    return key, getattr(time, key)


CHECKS = (_time, _kept)
