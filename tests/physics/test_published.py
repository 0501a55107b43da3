"""What the published models show: the three scenarios of ``scenarios/reference``, two of them here.

Thresholds are what the papers say, not what this implementation gives. The OpenVT model has a file
of its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
import pytest

from sim.runs.run import run_scenario
from sim.scenario.resolve import load

SEEDS = (1, 2, 3)


@cache
def course(name: str, seed: int, *settings: tuple[str, Any]) -> pd.DataFrame:
    """Read-outs over time of one run."""
    table = run_scenario(
        load(name, {"record.frames": False, **dict(settings)}, seed=seed)
    ).timeseries
    return table.set_index(table["mcs"] if "merks2008" in name else table["time_h"].round(6))


def mean_course(name: str, settings: dict[str, Any], seeds: tuple[int, ...]) -> pd.DataFrame:
    """Mean over seeds of all read-outs."""
    runs = [course(name, seed, *settings.items()) for seed in seeds]
    return sum(runs[1:], runs[0]) / len(runs)


# -- Merks et al. 2006: elongated cells make networks, round ones islands -------------------------

MERKS_2006 = "reference/merks2006_elongation"
SMALL_2006 = {
    "domain.size_um": (400, 400),
    "setup.region_um": (300, 300),
    "cells.count": 57,
    "time.duration_h": 3,
    "time.record_every_h": 3,
}


def elongated(target_sites: int, seeds: tuple[int, ...], **settings: Any) -> pd.DataFrame:
    found = mean_course(MERKS_2006, {"engine.length.target_sites": target_sites, **settings}, seeds)
    columns = ["tube_length_mm", "junctions", "meshes", "largest_part_fraction"]
    print(f"target length {target_sites} sites:", found[columns].to_string(), sep="\n")
    return found


def test_elongation_connects_a_few_cells() -> None:
    round_cells = elongated(10, (1, 2), **SMALL_2006).loc[3.0]
    long_cells = elongated(60, (1, 2), **SMALL_2006).loc[3.0]
    assert round_cells["largest_part_fraction"] < 0.5 < long_cells["largest_part_fraction"]
    assert round_cells["meshes"] < 1 < long_cells["meshes"]
    assert round_cells["tube_length_mm"] < 0.6 * long_cells["tube_length_mm"]


@pytest.mark.slow
def test_short_cells_make_islands() -> None:
    found = elongated(10, SEEDS)
    later = found.loc[6.0:]
    assert (later["largest_part_fraction"] < 0.5).all()
    assert (later["meshes"] < 1).all()


@pytest.mark.slow
def test_long_cells_make_a_connected_network() -> None:
    found = elongated(60, SEEDS)
    assert (found.loc[2.0:, "largest_part_fraction"] > 0.9).all()
    assert (found.loc[2.0:, "meshes"] > 5).all()
    for seed in SEEDS:
        end = course(MERKS_2006, seed, ("engine.length.target_sites", 60)).iloc[-1]
        assert end["largest_part_fraction"] > 0.9
        assert end["meshes"] >= 3


@pytest.mark.slow
def test_the_network_coarsens() -> None:
    """Meshes and branch points peak within two hours and fall for tens of hours."""
    found = elongated(60, SEEDS)
    for readout in ("junctions", "meshes"):
        early, peak = found.loc[:2.0, readout].max(), found[readout].max()
        assert early > 0.95 * peak
    for readout in ("junctions", "meshes", "tube_length_mm"):
        at = found[readout].loc[[2.0, 6.0, 12.0, 24.0]]
        assert at.is_monotonic_decreasing
        assert at.iloc[-1] < 0.7 * at.iloc[0]
    assert found["mean_mesh_area_um2"].loc[24.0] > 2 * found["mean_mesh_area_um2"].loc[2.0]


@pytest.mark.slow
def test_networks_need_cells_of_60_um() -> None:
    """Target lengths of 20 and 40 um give islands, 60 um and more a network."""
    half_a_day = {"time.duration_h": 12, "time.record_every_h": 6}
    connected = [
        elongated(sites, (1, 2), **half_a_day)["largest_part_fraction"].loc[12.0]
        for sites in (10, 20, 30, 60)
    ]
    assert connected == sorted(connected)
    assert connected[1] < 0.5 < connected[2]


# -- Merks et al. 2008: contact inhibition lets a cluster sprout ----------------------------------

MERKS_2008 = "reference/merks2008_sprouting"


def sprouting(inhibited: bool, seeds: tuple[int, ...], **settings: Any) -> pd.DataFrame:
    key = "engine.chemotaxis.cue.contact_inhibited"
    found = mean_course(MERKS_2008, {key: inhibited, **settings}, seeds)
    columns = ["cells", "compactness", "end_points", "mean_chord_um", "largest_part_fraction"]
    print(f"contact-inhibited: {inhibited}", found[columns].to_string(), sep="\n")
    return found


def test_contact_inhibition_opens_a_cluster_early() -> None:
    short = {"time.duration_mcs": 1000, "time.record_every_mcs": 1000}
    sprouts, cluster = (
        sprouting(inhibited, (1,), **short).loc[1000] for inhibited in (True, False)
    )
    assert sprouts["compactness"] < cluster["compactness"] - 0.1
    assert cluster["compactness"] > 0.8


@pytest.mark.slow
def test_contact_inhibition_lets_a_cluster_sprout() -> None:
    """Compactness after 10,000 steps is about 0.35 with contact inhibition, 0.9 without."""
    rarely = {"time.record_every_mcs": 2000}
    sprouts, cluster = (sprouting(inhibited, SEEDS, **rarely) for inhibited in (True, False))
    assert sprouts["compactness"].loc[10_000] == pytest.approx(0.35, abs=0.1)
    assert cluster["compactness"].loc[10_000] == pytest.approx(0.9, abs=0.1)
    assert sprouts["compactness"].is_monotonic_decreasing
    assert sprouts["end_points"].loc[10_000] >= 4
    for found in (sprouts, cluster):
        assert (found["cells"] == 128).all()


@pytest.mark.slow
@pytest.mark.parametrize(("share", "compactness"), [(0.4, 0.35), (0.7, 0.9)])
def test_clusters_stop_sprouting_where_the_paper_has_it(share: float, compactness: float) -> None:
    """At a share of chemotaxis between cells of 0.5 to 0.6 of that at the medium.

    Two equal fields, of which one is followed between cells too.
    """
    settings = {
        f"fields.twin.{key}": value
        for key, value in load(MERKS_2008).fields["cue"].model_dump(exclude_defaults=True).items()
    }
    settings |= {
        "engine.chemotaxis.cue.mu": 500 * (1 - share),
        "engine.chemotaxis.twin.mu": 500 * share,
        "time.record_every_mcs": 10_000,
    }
    found = sprouting(True, (1, 2), **settings)
    assert found["compactness"].loc[10_000] == pytest.approx(compactness, abs=0.1)
