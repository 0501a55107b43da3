"""Dose-responses of users' tables: `sim.fit` and `angiosim fit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.fits.logistic import logistic

# Dry matter of white mustard over dose, g/ha: Christensen, Teicher & Streibig (2003), Pest Manag
# Sci 59:817; the data set S.alba of the R package drcData.
MUSTARD = {
    "Bentazone": {
        0: [4.1, 3.4, 2.6, 3.5, 4.3, 4.2, 4.1, 4.5], 10: [3.5, 3.8, 3.9, 3.7],
        20: [3.2, 3.5, 3.0, 4.0], 40: [1.1, 1.4, 1.4, 0.9], 80: [0.9, 0.6, 0.7, 0.8],
        160: [0.7, 0.7, 0.5, 0.6], 320: [0.8, 0.5, 0.7, 0.8], 640: [0.6, 0.7, 0.6, 0.8],
    },
    "Glyphosate": {
        0: [4.7, 4.6, 4.1, 4.4, 3.2, 3.0, 3.8, 3.9], 10: [3.8, 3.8, 3.8, 3.3],
        20: [4.1, 3.5, 4.1, 3.2], 40: [2.8, 3.0, 3.7, 3.4], 80: [1.8, 1.6, 2.3, 1.7],
        160: [1.1, 1.3, 1.0, 1.2], 320: [0.9, 0.9, 0.9, 0.9],
    },
}  # fmt: skip
DOSES = [0.0, 0.5, 1, 2, 4, 8, 16, 32, 64]


def long(groups: dict[str, dict[float, list[float]]]) -> pd.DataFrame:
    rows = [
        {"drug": name, "dose_uM": dose, "y": value}
        for name, doses in groups.items()
        for dose, values in doses.items()
        for value in values
    ]
    return pd.DataFrame(rows)


def simulated(seed: int = 1, replicates: int = 4, noise: float = 0.4, **curve: float) -> Any:
    """A table in long form of plates that share nothing."""
    curve = {"bottom": 5.5, "top": 14.6, "ic50": 6.0, "hill": 1.0} | curve
    rng = np.random.default_rng(seed)
    y = logistic(DOSES, **curve) + rng.normal(scale=noise, size=(replicates, len(DOSES)))
    return pd.DataFrame({
        "dose_nM": np.tile(DOSES, replicates), "y": y.ravel(),
        "plate": np.repeat(np.arange(1, replicates + 1), len(DOSES)),
    })  # fmt: skip


def test_white_mustard_has_the_estimates_of_drc() -> None:
    found = sim.fit(long(MUSTARD), dose="dose_uM", response="y", by="drug")
    assert found["Bentazone"].ic50 == pytest.approx(29.26, abs=0.01)
    assert found["Glyphosate"].ic50 == pytest.approx(62.05, abs=0.01)
    assert found.unit == "uM" and found.dose == "dose"
    assert found.frame["r2"].min() > 0.9
    (outlier,) = found.groups["Bentazone"].outliers()
    assert (outlier["dose"], outlier["response"], outlier["lines"]) == (0.0, 2.6, [3])
    assert "outlier, kept: 2.6 at 0 (line 3)" in found.frame["note"][0]


CURVES: list[dict[str, Any]] = [
    {"curve": (5.5, 14.6, 6.0, 1.0)},
    {"curve": (0.0, 100.0, 3.0, 0.5), "noise": 2.0},
    {"curve": (10.0, 90.0, 12.0, 3.5), "noise": 3.0},
    {"curve": (80.0, 20.0, 5.0, 1.5), "noise": 4.0},
    {"curve": (-2.0, 1.0, 20.0, 0.8), "noise": 0.05},
    {"curve": (0.0, 50.0, 2.0, 1.2), "noise": 2.0, "known": {"bottom": 0.0}},
    {"curve": (8.0, 100.0, 9.0, 2.0), "noise": 4.0, "known": {"top": 100.0}},
    {"curve": (0.0, 100.0, 4.0, 0.9), "noise": 5.0, "known": {"bottom": 0.0, "top": 100.0}},
    {"curve": (5.0, 30.0, 7.0, 1.0), "noise": 1.0, "known": {"hill": 1.0}},
    {"curve": (0.2, 40.0, 1.7, 1.5), "noise": 0.15, "relative": True},
]


@pytest.mark.parametrize("case", CURVES)
def test_fits_agree_with_an_independent_one_from_many_starts(case: dict[str, Any]) -> None:
    """To four digits: least squares over all parameters at once, from 30 starts."""
    rng = np.random.default_rng(7)
    dose = np.repeat(DOSES, [6, 3, 3, 2, 3, 3, 4, 3, 3])
    truth = logistic(dose, *case["curve"])
    scale = truth if case.get("relative") else 1.0
    y = truth + scale * case.get("noise", 0.4) * rng.normal(size=dose.size)
    weights, sd, known = "equal", np.ones(dose.size), case.get("known", {})
    if case.get("relative"):
        weights, sd = "sd", 0.15 * truth
    table = {"dose": dose, "y": y, "sd": sd}
    found = sim.fit(table, dose="dose", response="y", weights=weights, **known)["y"]
    names = [name for name in ("bottom", "top", "ic50", "hill") if name not in known]

    def residuals(p: Any) -> Any:
        q = known | dict(zip(names, p, strict=True))
        with np.errstate(over="ignore"):
            half = np.exp(q["ic50"])
            steep = q["hill"] if "hill" in known else np.exp(q["hill"])
            share = 1 / (1 + (dose / half) ** steep)
        return (q["bottom"] + (q["top"] - q["bottom"]) * share - y) / sd

    starts = {"bottom": (y.min(), y.max()), "top": (y.min(), y.max()), "ic50": (-1, 4.5),
              "hill": (-1, 1.5)}  # fmt: skip
    fits = [
        least_squares(residuals, [rng.uniform(*starts[name]) for name in names], x_scale="jac",
                      max_nfev=300)
        for _ in range(30)
    ]  # fmt: skip
    best = dict(zip(names, min(fits, key=lambda one: one.cost).x, strict=True))
    for name in names:
        value = np.exp(best[name]) if name in ("ic50", "hill") else best[name]
        assert getattr(found, name) == pytest.approx(value, rel=1e-4, abs=1e-4 * np.ptp(y)), name
    assert found.left_out[0][3] == pytest.approx(found.hill)


@pytest.mark.parametrize("replicate", [None, "plate"])
@pytest.mark.parametrize("weights", ["equal", "variance"])
def test_the_order_of_rows_means_nothing(replicate: str | None, weights: str) -> None:
    """Not even in the last digit."""
    table = simulated()
    other = table.sample(frac=1, random_state=3)
    first, second = (
        sim.fit(one, "dose_nM", "y", replicate=replicate, weights=weights)["y"]
        for one in (table, other)
    )
    assert first == second and first.determined and first.paired == bool(replicate)


def test_paired_values_are_those_of_one_plate() -> None:
    """Levels that plates have of their own widen the limits of independent values alone."""
    table = simulated(noise=0.1)
    table["y"] += 2.0 * table["plate"]
    pairs = sim.fit(table, "dose_nM", "y", replicate="plate")
    apart = sim.fit(table, "dose_nM", "y")

    def width(found: sim.lab.fit.Fits) -> float:
        return float(found["y"].ic50_high or 1e9) - float(found["y"].ic50_low or 0)

    assert width(pairs) < 0.3 * width(apart)
    assert pairs.groups["y"].quality.residual_error < 0.2 < apart.groups["y"].quality.residual_error
    assert pairs.frame["paired"].tolist() == [True]


def test_wells_of_one_plate_are_averaged_with_a_note() -> None:
    table = pd.concat([simulated(), simulated(seed=2)])
    found = sim.fit(table, "dose_nM", "y", replicate="plate")
    assert found["y"].replicates == 4
    assert "values of one replicate at one dose are averaged" in found.frame["note"][0]


def test_a_matrix_is_the_same_table() -> None:
    table = simulated(replicates=3)
    wide = table.pivot(index="dose_nM", columns="plate", values="y").reset_index()
    wide.columns = ["dose_nM", "rep 1", "rep 2", "rep 3"]
    first, second = sim.fit(table, "dose_nM", "y"), sim.fit(wide)
    assert first["y"] == second["rep"]
    assert second.notes == ("3 columns are replicates of rep",)
    assert (
        sim.fit(wide, paired=True)["rep"] == sim.fit(table, "dose_nM", "y", replicate="plate")["y"]
    )
    several = sim.fit({"x": DOSES, "VEGF": wide["rep 1"], "FGF": wide["rep 2"]})
    assert list(several.fits) == ["VEGF", "FGF"] and several.dose == "x"
    rows = sim.fit({"y": [*wide["rep 1"], *wide["rep 2"]], "conc (µM)": DOSES * 2})
    assert rows["y"].replicates == 2 and (rows.dose, rows.unit) == ("conc", "uM")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dose_nM", ("dose", "nM")), ("dose (µM)", ("dose", "uM")),
        ("conc_ng_ml", ("conc", "ng/mL")),
        ("Concentration [ug/ml]", ("Concentration", "ug/mL")), ("dose nm", ("dose", "nM")),
        ("dose_mg_per_kg", ("dose", "mg/kg")), ("nM", ("dose", "nM")), ("Dose", ("Dose", "")),
        ("my_dose", ("my dose", "")),
    ],
)  # fmt: skip
def test_the_unit_of_doses_is_in_the_name_of_the_column(name: str, words: tuple[str, str]) -> None:
    found = sim.fit({name: DOSES, "y": logistic(DOSES, 1, 9, 4)})
    assert (found.dose, found.unit) == words


def test_masked_and_missing_values_are_left_out() -> None:
    table = simulated()
    whole = sim.fit(table, "dose_nM", "y")["y"]
    more = pd.concat([table, table.assign(y=1e6)])
    mask = np.arange(len(more)) >= len(table)
    masked = {name: np.ma.array(more[name].to_numpy(), mask=mask & (name == "y")) for name in more}
    assert sim.fit(masked, "dose_nM", "y")["y"] == whole
    found = sim.fit(more.assign(y=more["y"].where(more["y"] < 1e5)), "dose_nM", "y")
    assert found["y"] == whole and found.notes[0] == f"{len(table)} responses missing"


def test_an_ic50_beyond_the_doses_is_a_bound_without_a_point() -> None:
    for ic50, where, bound in ((900.0, "above", "ic50_low"), (0.01, "below", "ic50_high")):
        found = sim.fit(simulated(ic50=ic50, noise=0.1), "dose_nM", "y", top=14.6, bottom=5.5)
        row = found.to_dict()["fits"]["y"]
        assert row["ic50_is"] == where and row["ic50"] is None, ic50
        assert row[bound] is not None and not row["determined"]


def test_relative_and_absolute_ic50s_differ() -> None:
    """The absolute one is at half of the control, or half-way to the negative control."""
    table = simulated(noise=0.01, bottom=5.0, top=15.0, ic50=4.0)
    found = sim.fit(table, "dose_nM", "y")["y"]
    assert found.ic50 == pytest.approx(4.0, rel=0.02)
    assert found.absolute_ic50 == pytest.approx(12.0, rel=0.02)  # 7.5 of 15
    wells = pd.DataFrame({"y": [4.9, 5.0, 5.1], "what": "negative"})
    both = sim.fit(pd.concat([table, wells]), "dose_nM", "y", control="what")["y"]
    assert both.absolute_ic50 == pytest.approx(4.0, rel=0.02) and both.emax == pytest.approx(100, 1)
    rising = sim.fit(simulated(bottom=15.0, top=5.0), "dose_nM", "y")["y"]
    assert rising.absolute_ic50 is None and "the response rises" in rising.note


def test_controls_are_those_of_the_group_or_shared() -> None:
    drug = simulated(noise=0.01).query("dose_nM > 0").assign(drug="A", what="")
    other = drug.assign(drug="B", y=drug["y"] * 2)
    shared = pd.DataFrame({"drug": "DMSO", "y": [14.5, 14.7], "what": "positive"})
    own = pd.DataFrame({"drug": "B", "y": [29.0, 29.4], "what": "positive"})
    found = sim.fit(pd.concat([drug, other, shared, own]), "dose_nM", "y", "drug", control="what")
    assert list(found.fits) == ["A", "B"]
    assert [fit.means[0] for fit in found.fits.values()] == [14.6, 29.2]
    assert found["A"].doses[0] == 0 and "DMSO: controls" in found.notes[0]


def test_counts_get_weights_by_variance() -> None:
    rng = np.random.default_rng(4)
    dose = np.repeat(DOSES, 6)
    truth = logistic(dose, 1.0, 400.0, 2.0, 1.5)
    y = truth * (1 + 0.2 * rng.normal(size=dose.size))
    found = sim.fit({"dose": dose, "y": y}, "dose", "y", weights="variance")
    assert found.groups["y"].power == pytest.approx(2.0, abs=0.4)
    assert found["y"].bottom == pytest.approx(1.0, abs=1.5)
    with pytest.raises(InputError, match="at least two values"):
        sim.fit({"dose": DOSES, "y": logistic(DOSES, 1, 9, 4)}, weights="variance")


def test_hormesis_outliers_and_lack_of_fit_are_reported_and_dropped_nowhere() -> None:
    table = simulated(noise=0.1, replicates=2)
    bump = table.assign(y=table["y"] + 1.2 * (table["dose_nM"] == 0.5))
    found = sim.fit(bump, "dose_nM", "y").groups["y"]
    assert found.quality.hormesis_dose == 0.5 and "hormesis" in "; ".join(found.notes())
    assert found.quality.lack_of_fit_p < 0.01 and found.fit.ic50 is not None
    odd = table.copy()
    odd.loc[12, "y"] += 5.0
    one = sim.fit(odd, "dose_nM", "y").groups["y"]
    assert [out["lines"] for out in one.outliers()] == [[13]]
    assert one.fit.means[3] == pytest.approx(odd.query("dose_nM == 2")["y"].mean())
    paired = sim.fit(odd, "dose_nM", "y", replicate="plate").groups["y"]
    assert [out["lines"] for out in paired.outliers()] == [[13]]


TRUTH = {"bottom": 5.5, "top": 14.6, "ic50": 6.0, "hill": 1.0, "absolute_ic50": 6.0 * 7.3 / 1.8}


def tables(count: int, replicates: int, *, paired: bool, proportional: bool = False) -> Any:
    """Tables of a known curve: plates that differ in level, span and IC50, or separate wells."""
    for seed in range(count):
        rng = np.random.default_rng([seed, replicates, paired])
        rows = []
        for _ in range(replicates):
            level, span, shift = rng.normal(size=3) * ([0.3, 0.05, 0.15] if paired else [0, 0, 0])
            y = logistic(DOSES, 5.5, 5.5 + 9.1 * (1 + span), 6.0 * np.exp(shift), 1.0) + level
            noise = rng.normal(size=len(DOSES)) * (0.3 if paired else 0.4)
            rows.append(y * (1 + noise / 4) if proportional else y + noise)
        order = rng.permutation(replicates * len(DOSES))
        yield {
            "dose": np.tile(DOSES, replicates)[order],
            "y": np.ravel(rows)[order],
            "plate": np.repeat(np.arange(replicates), len(DOSES))[order],
        }


def coverage(some: Any, **options: Any) -> dict[str, float]:
    """Percent of limits that hold the truth, by quantity."""
    found = [sim.fit(table, "dose", "y", **options)["y"] for table in some]
    return {
        name: 100.0 * np.mean([
            (getattr(fit, f"{name}_low") or -np.inf) <= truth
            and truth <= (getattr(fit, f"{name}_high") or np.inf)
            for fit in found
        ])
        for name, truth in TRUTH.items()
    }  # fmt: skip


def test_limits_hold_the_truth() -> None:
    """The designs at which they are hardest to give: of 25 tables each, at most 4 may miss."""
    held = coverage(tables(25, 2, paired=True), replicate="plate")
    held |= {f"{k} of wells": v for k, v in coverage(tables(25, 2, paired=False)).items()}
    assert min(held.values()) >= 84, held


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("kind", ["paired", "independent", "proportional"])
def test_limits_hold_in_90_to_99_of_100_tables(kind: str, replicates: int) -> None:
    """Of 400 tables a design, for every quantity; with weights from the values, for the IC50s."""
    some = tables(400, replicates, paired=kind == "paired", proportional=kind == "proportional")
    options = {"paired": {"replicate": "plate"}, "proportional": {"weights": "variance"}}
    held = coverage(some, **options.get(kind, {}))
    judged = held if kind != "proportional" else {k: held[k] for k in ("ic50", "absolute_ic50")}
    assert all(90 <= share <= 99 for share in judged.values()), held


@pytest.mark.slow
def test_chance_alone_gives_few_alarms() -> None:
    """At 5 % each; with 2, 3 and 8 replicates, paired and not."""
    alarms = np.zeros(3)
    for seed in range(600):
        table = simulated(seed=seed, replicates=(2, 3, 8)[seed % 3])
        one = sim.fit(table, "dose_nM", "y", replicate="plate" if seed % 2 else None).groups["y"]
        how = one.quality
        alarms += [bool(how.outliers), how.lack_of_fit_p < 0.05, how.hormesis_dose is not None]
    assert (alarms <= 0.07 * 600).all(), alarms


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"dose_nM": -9.0}, {}, "dose_nM = -9: must be at least 0; if these are logarithms"),
        ({"log_dose": 1.0}, {"dose": "log_dose"}, "the name says logarithms"),
        ({"dose_nM": "5 nM"}, {}, "row 1: dose_nM = '5 nM': must be a number"),
        ({"dose_nM": None}, {}, "no dose (if it is a control, choose the column"),
        ({}, {"response": "Y"}, "response = 'Y': no such column; the table has dose_nM, y, plate"),
        ({}, {"by": "drug"}, "by = 'drug': no such column"),
        ({"what": "vehicle"}, {"control": "what"}, "must be positive or negative, or empty"),
        ({"what": "positive", "dose_nM": 5.0}, {"control": "what"}, "is without drug"),
        ({"plate": None}, {"replicate": "plate"}, "row 1: plate: is empty"),
        ({}, {"weights": "sd"}, "weights = 'sd': no such column"),
        ({"sd": 0.0}, {"weights": "sd"}, "must be a standard deviation above 0"),
        ({}, {"top": 0.146}, "top = 0.146: must be in the unit of the response"),
        ({}, {"bottom": 1400.0}, "if that is in fractions, so must bottom be"),
        ({}, {"hill": -1.0}, "hill must be positive"),
        ({}, {"top": 3.0, "bottom": 3.0}, "bottom and top must differ"),
        ({}, {"response": None, "by": "plate"}, "needs response"),
        ({}, {"paired": True}, "is for a matrix"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(
    change: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    table = simulated().astype(object).assign(**{name: 1.0 for name in change if name[0] in "sl"})
    if "what" in change:
        table["what"] = ""
    for name, value in change.items():
        table.loc[0, name] = value
    with pytest.raises(InputError) as found:
        sim.fit(table, **({"dose": "dose_nM", "response": "y"} | options))
    assert words in str(found.value)


def test_a_column_that_would_be_pooled_is_reported() -> None:
    found = sim.fit(long(MUSTARD), dose="dose_uM", response="y")
    assert "column 'drug' has 2 values and is not used" in found.notes[0]
    assert "--by drug separates" in found.notes[0]


def board(**more: Any) -> dict[str, Any]:
    """Two drugs in all pairs of doses, twice."""
    one, two = (axis.ravel() for axis in np.meshgrid([0.0, 1, 2, 4, 8], [0.0, 3, 9, 27]))
    y = 100 / (1 + one / 3) / (1 + two / 9)
    table = {"dose_a_nM": one, "dose_b_nM": two, "y": y} | more
    return {name: np.tile(cells, 2) for name, cells in table.items()}


@pytest.mark.parametrize("second", ["dose_b_nM", "conc B", "B (µM)", "B_ng_ml"])
def test_doses_of_a_second_drug_are_not_pooled(second: str) -> None:
    table = board()
    table[second] = table.pop("dose_b_nM")
    with pytest.raises(InputError, match="looks like doses of another drug") as found:
        sim.fit(table, dose="dose_a_nM", response="y")
    assert f"--dose dose_a_nM --dose {second}" in str(found.value)
    assert len(sim.fit(table, dose="dose_a_nM", response="y", by=second).groups) == 4
    with pytest.raises(InputError, match="looks like doses, too"):
        sim.fit(table, dose="dose_a_nM")


def test_other_doses_and_concentrations_are_no_second_drug() -> None:
    table = board()
    table["dose_a_uM"] = table["dose_a_nM"] / 1000
    table["vegf_ng_ml"] = 20 + 10 * table["y"] + np.random.default_rng(1).random(40)  # measured
    with pytest.raises(InputError, match="column 'dose_b_nM'"):
        sim.fit(table, dose="dose_a_nM", response="y")
    assert sim.fit(table, dose="dose_a_nM", response="y", by="dose_b_nM").notes == ()
    with pytest.raises(InputError, match="choose the column of doses with --dose"):
        sim.fit(table, response="y")


def test_numbered_replicates_that_would_be_pooled_are_reported() -> None:
    (note,) = sim.fit(simulated(), dose="dose_nM", response="y").notes
    assert note.startswith("column 'plate' has 4 values") and "--replicate plate pairs" in note


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["98%", "97%", "60 %", "22%"], "line 2: VEGF = '98%': must be a number (write the number"),
        (["98", "n.d.", "60", "22"], "line 3: VEGF = 'n.d.': must be a number"),
        (["98", "97", ">60", "22"], "a bound is no number"),
        (["high", "high", "low", "low"], "column 'VEGF' holds text: a table in long form"),
    ],
)
def test_text_in_a_matrix_is_named(tmp_path: Path, cells: list[str], words: str) -> None:
    file = tmp_path / "matrix.csv"
    rows = [f"{dose},{cell}" for dose, cell in zip([0, 1, 5, 20], cells, strict=True)]
    file.write_text("\n".join(["dose_nM,VEGF", *rows]))
    with pytest.raises(InputError) as found:
        sim.fit(file)
    assert words in str(found.value)


def test_controls_that_would_be_pooled_need_their_own_option() -> None:
    table = {"dose_nM": [0.0, *range(1, 8)], "y": range(8), "control": ["positive"] + [""] * 7}
    notes = sim.fit(table, dose="dose_nM", response="y").notes
    assert any("--control control separates" in note for note in notes)


# --- the command -------------------------------------------------------------------------------


def test_the_command_leaves_json_table_and_picture(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    long(MUSTARD).to_csv(table, index=False)
    words = ["fit", str(table), "--response", "y", "--by", "drug"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "29.3 (24.9 to 33.8)" in result.stdout and "outlier, kept" in result.stderr
    folder = tmp_path / "mine-fit"
    assert {path.name for path in folder.iterdir()} == {"fit.json", "fit.csv", "fit.png"}
    written = json.loads((folder / "fit.json").read_text())
    assert written["fits"]["Glyphosate"]["ic50"] == pytest.approx(62.05, abs=0.01)
    assert pd.read_csv(folder / "fit.csv")["ic50"].round(2).tolist() == [29.26, 62.05]
    taken = CliRunner().invoke(app, [*words, "--out", str(folder)])
    assert taken.exit_code == 2 and "never overwritten" in taken.stderr


def test_a_group_that_cannot_be_fitted_is_exit_code_3(tmp_path: Path) -> None:
    table = tmp_path / "short.csv"
    table.write_text("dose_nM,y\n0,5\n1,4\n2,3\n")
    (tmp_path / "short-fit").mkdir()
    result = CliRunner().invoke(app, ["fit", str(table), "--json"])
    folder = tmp_path / "short-fit-2"  # existing folders are left alone
    assert json.loads(result.stdout) == json.loads((folder / "fit.json").read_text())
    assert result.exit_code == 3 and "a fit needs at least 4" in result.stderr
    assert (folder / "fit.png").exists()
    wrong = CliRunner().invoke(app, ["fit", str(table), "--dose", "x"])
    assert wrong.exit_code == 2 and not (tmp_path / "short-fit-3").exists()
