"""A scenario of a tumour bed: what is refused, when it begins, and what is drawn of it."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

import sim
from sim.errors import NumericalError, ScenarioError
from sim.model import model_of
from sim.model.bed import VesselBedModel
from sim.tools.describe import describe
from sim.view.run.timeseries import draw_timeseries

SMALL: dict[str, Any] = {
    "assay": "tumour_bed",
    "domain": {"size_um": [800, 800]},
    "setup": {"radius_um": 160, "gap_um": 150, "drug_start_day": 1},
    "time": {"duration_h": 48},
    "bed": {"rho_per_um3": 6e-4},
    "drug": {"name": "anlotinib", "exposure": "pk", "species": "human",
             "regimen": {"dose_mg": 12}},
}  # fmt: skip


def small(**changes: Any) -> dict[str, Any]:
    tables = {k: SMALL[k] | v if k in SMALL else v for k, v in changes.items()}
    return SMALL | tables


def model(seed: int = 1, **changes: Any) -> VesselBedModel:
    found = model_of(sim.load(small(**changes)), rng=seed)
    assert isinstance(found, VesselBedModel)
    return found


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("domain", "size_um", [810, 810]),  # no whole number of voxels
        ("domain", "size_um", [800, 1000]),  # no square
        ("domain", "size_um", [9800, 9800]),  # too many voxels
        ("setup", "radius_um", 59),  # less than three voxels
        ("setup", "radius_um", 340),  # at the border
        ("setup", "radius_um", 900),  # larger than the domain
        ("setup", "gap_um", 181),  # parents outside
        ("setup", "gap_um", 0),  # parents at the tumour
        ("setup", "gap_um", -50),  # parents in the tumour
        ("setup", "drug_start_day", 0.3),
        ("time", "start_h", -12),
        ("bed", "arterial_mmHg", [15, 16]),  # as the vein
        ("bed", "gamma_um2_per_h", 201),
        ("bed", "T_d_d", 0.2),  # the tumour's step is 6 h
        ("bed", "T_an_d", 0.2),
        ("bed", "T_clear_d", 0.2),
    ],
)
def test_what_cannot_be_is_one_error(table: str, key: str, value: Any) -> None:
    with pytest.raises(ScenarioError) as caught:
        sim.load(small(**{table: {key: value}}))
    assert [problem.key for problem in caught.value.problems] == [f"{table}.{key}"]


def test_a_record_is_of_time_0_whatever_fraction_of_a_day_the_drug_begins_on() -> None:
    """Rounding of a fraction of a day does not move the start of the drug to between two steps."""
    day = 0.29166666667
    assert 24 * day != 7
    one = model(setup={"drug_start_day": day})
    assert one.time_h == -7.0
    one.advance(7)
    assert one.time_h == 0.0 and one.measure()["diameter_change_percent"] == 0.0


def test_a_run_that_ends_before_the_drug_says_so_once() -> None:
    with pytest.warns(sim.ScenarioWarning) as caught:
        sim.load(small(time={"duration_h": 24}))
    assert [str(one.message) for one in caught] == [
        "time.duration_h = 24: ends before the drug begins, on day 1"
    ]


def test_a_network_of_too_many_pieces_is_refused_before_it_is_made() -> None:
    dense = small(
        domain={"size_um": [6000, 6000]},
        setup={"radius_um": 1000, "gap_um": 1500, "mesh_um": 40},
        bed={"piece_um": 5},
    )
    with pytest.raises(NumericalError, match=r"more than 60000 pieces .* \(setup\.mesh_um\)"):
        model_of(sim.load(dense))


def test_defaults_that_follow_from_the_start_are_described() -> None:
    for key, value in {"radius_um": 270, "gap_um": 450, "drug_start_day": 35}.items():
        console = Console(width=200)
        with console.capture() as said:
            console.print(describe(f"setup.{key}"))
        assert said.get().startswith(f"setup.{key} = {value}")


# --- pictures ------------------------------------------------------------------------------------


def drawn(one: VesselBedModel) -> tuple[Axes, set[str], set[str]]:
    """The map of a model, the ids of what is drawn, and what is said in it and beside it."""
    ax = one.plot().axes[0]
    ids = {str(part.get_gid()) for part in ax.get_children() if part.get_gid()}
    legend = ax.get_legend()
    said = {text.get_text() for text in [*ax.texts, *(legend.get_texts() if legend else ())]}
    plt.close("all")
    return ax, ids, said


def test_the_outline_is_where_the_distance_is_0_and_all_is_explained() -> None:
    one = model()
    one.advance(20)
    ax, ids, said = drawn(one)
    assert {"oxygen", "tumour", "flow", "pericyte"} <= ids
    assert {"tumour", "under pericytes", "artery", "vein"} <= said
    (outline,) = (part for part in ax.collections if part.get_gid() == "tumour")
    points = np.concatenate([path.vertices for path in outline.get_paths()])
    radius = np.hypot(*(points - 400).T)
    assert np.ptp(radius) < 3.0 and radius.mean() == pytest.approx(
        np.sqrt(one.bed.area / np.pi), abs=1.0
    )


def test_beds_without_tumour_and_without_vessels_are_drawn() -> None:
    one = model(setup={"start": "parent"})
    _, ids, said = drawn(one)
    assert "pericyte" not in ids and "under pericytes" not in said
    gone = model()
    gone.bed.area = 0.0
    _, ids, said = drawn(gone)
    assert "tumour" not in ids | said


def test_peaks_between_records_are_drawn() -> None:
    """A dose peaks within hours; records are a day apart."""
    result = sim.run(small(time={"duration_h": 72}), seed=1)
    figure: Figure = draw_timeseries(result)
    ax = next(ax for ax in figure.axes if ax.get_ylabel() == "unbound drug (nM)")
    values = np.asarray(ax.lines[0].get_ydata(), float)
    time = np.asarray(ax.lines[0].get_xdata(), float)
    assert values.max() > 1.05 * result.timeseries["free_nM"].max()
    assert (values[time < 0] == 0).all() and time[values.argmax()] < 0.5
    peak = f"before up to {values.max():.3g}"
    assert any(peak in text.get_text() for text in figure.findobj(plt.Text))
    plt.close("all")
