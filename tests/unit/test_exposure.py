"""The drug that cells see over time."""

from __future__ import annotations

import numpy as np

from sim.model.clock import AngiogenesisModel
from sim.pharmacology.exposure import Media, constant
from sim.scenario.exposure import exposure_of
from sim.scenario.resolve import load


def test_constant() -> None:
    exposure = constant(5.6)
    times = np.array([0.0, 0.1, 6.0, 500.0])
    assert (exposure.free_nM(times) == 5.6).all()
    assert (exposure.total_nM(times) == 5.6).all()


def test_media_hold_from_their_time_on() -> None:
    exposure = Media((1.0, 3.0, 4.5), (10.0, 0.0, 2.0))
    times = np.array([0.0, 0.999, 1.0, 2.9, 3.0, 4.499, 4.5, 100.0])
    assert list(exposure.free_nM(times)) == [0, 0, 10, 10, 0, 0, 2, 2]


def test_exposure_of_scenarios() -> None:
    at = np.array([0.0, 2.0, 5.0])
    anlotinib = exposure_of(load("tube_formation_anlotinib"))
    assert list(anlotinib.free_nM(at)) == [5.6, 5.6, 5.6]
    published = exposure_of(load("reference/openvt_angiogenesis"))
    assert not published.free_nM(at).any()
    media = [{"at_h": 1, "free_nM": 8.0}, {"at_h": 4, "free_nM": 0}]
    schedule = load("tube_formation", {"drug.exposure": "schedule", "drug.media": media})
    assert list(exposure_of(schedule).free_nM(at)) == [0, 8, 0]


def test_a_medium_comes_at_its_step_and_inside_a_long_step() -> None:
    """Drug is read every 30 s or more often, whatever a step lasts."""
    media = [{"at_h": 0.1, "free_nM": 1000.0}]
    for mcs_s in (30, 60):
        scenario = load(
            "tube_formation",
            {
                "domain.size_um": [100, 100],
                "cells.count": 2,
                "time.mcs_s": mcs_s,
                "drug.exposure": "schedule",
                "drug.media": media,
            },
        )
        model = AngiogenesisModel(scenario)
        seen = []
        for _ in range(20):
            model.step()
            seen += model.free_nM.tolist()
        part_s = mcs_s / (len(seen) / 20)
        assert part_s == 30
        first = seen.index(1000.0)
        assert not any(seen[:first])
        assert first * part_s == 360
