"""Screens and combined blockades: tables, maps, expectations, pictures, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from marks import slow
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

import sim
from sim.analysis.analyse import analyse
from sim.analysis.write import pictures as all_pictures
from sim.analysis.write import write_analysis
from sim.errors import InputError, ScenarioError
from sim.fits.combination import Blockade, Comparison, compare
from sim.fits.fitting import fit
from sim.fits.logistic import DoseResponse, logistic
from sim.pharmacology.drugs import load_drug
from sim.studies.file import plan_study
from sim.studies.plan import Plan
from sim.studies.sweep import SweepOptions
from sim.studies.sweep import sweep as sweep_alone
from sim.studies.task import Outcome, Task
from sim.studies.worker import attempt
from sim.view.study.pictures import write_pictures

sweep = partial(sweep_alone, analyse=write_analysis)

Array = NDArray[np.float64]
LIGANDS = {"VEGF": "VEGFR2", "PDGF-BB": "PDGFRB", "FGF-2": "FGFR1"}
WEIGHT = 0.85


def length_mm(settings: dict[str, Any], seed: int) -> float:
    """The model in short: redundant pathways, blocked by the drug's IC50s, make length."""
    drug = load_drug(settings.get("drug.name", "anlotinib"))
    ic50 = dict(drug.potency(settings.get("drug.potency")).ic50_nM)
    rest = 1.0
    for ligand, receptor in LIGANDS.items():
        if settings.get(f"ligands.{ligand}.bath_ng_ml"):
            half = settings.get(f"drug.ic50_nM.{receptor}", ic50[receptor])
            rest *= 1 - WEIGHT / (1 + settings["drug.free_nM"] / half)
    chance = np.random.default_rng([seed, round(1000 * settings["drug.free_nM"])])
    level = np.random.default_rng(seed).normal()
    return float(5.5 + 10.7 * (1 - rest) + 0.2 * level + 0.15 * chance.normal())


class Chain:
    """Makes runs at once; those at `failing` nM fail."""

    running = 0
    outcomes: list[Outcome]

    def __init__(self, failing: float = -1) -> None:
        self.failing = failing

    def environments(self) -> list[Any]:
        return []

    def submit(self, tasks: Any) -> None:
        self.outcomes = [attempt(self.run, {}, task) for task in tasks]

    def wait(self, seconds: float) -> list[Outcome]:
        return [self.outcomes.pop()]

    def close(self) -> None:
        pass

    def run(self, base: dict[str, Any], task: Task) -> dict[str, float]:
        if task.settings["drug.free_nM"] == self.failing:
            raise ValueError("fails")
        length = length_mm(task.settings, task.seed)
        return {"tube_length_mm": length, "meshes": round(3 * length), "junctions": 2 * length}


class Stopped(Chain):
    """Makes nothing before Ctrl-C."""

    def submit(self, tasks: Any) -> None:
        raise KeyboardInterrupt


def made(plan: Plan, out: Path | None = None, failing: float = -1) -> sim.Study:
    return sweep(plan, Chain(failing), out)


def arm(name: str, **receptors: float) -> dict[str, Any]:
    """An arm that spares receptors."""
    return {"name": name, "set": {f"drug.ic50_nM.{r}": value for r, value in receptors.items()}}


DOSES = [0, 0.3, 1, 3, 10, 30, 100, 300, 1000, 10000]
SCREEN: dict[str, Any] = {
    "name": "two drugs",
    "description": "what to compare",
    "base": "tube_formation_unstimulated",
    "replicates": 4,
    "grid": {"drug.free_nM": DOSES},
    "group": {
        "drug": [
            {"name": "anlotinib"},
            {"name": "axitinib", "set": {"drug.name": "axitinib", "drug.potency": "davis2011"}},
        ],
        "ligand": [
            {"name": "VEGF", "set": {"ligands.VEGF.bath_ng_ml": 50}},
            {"name": "FGF-2", "set": {"ligands.FGF-2.bath_ng_ml": 20}},
            {"name": "none"},
        ],
    },
    "dose_response": {
        "dose": "drug.free_nM",
        "responses": ["tube_length_mm", "meshes"],
        "unstimulated": {"ligand": "none"},
    },
}
LIGANDS_AND_NONE = SCREEN["group"]["ligand"]
BOTH = {"ligands.VEGF.bath_ng_ml": 50, "ligands.FGF-2.bath_ng_ml": 20}
ABLATION: dict[str, Any] = {
    **SCREEN,
    "name": "two receptors",
    "grid": {"drug.free_nM": [0, 1, 3, 10, 30, 100, 1000]},
    "group": {
        "ligands": [
            {"name": "VEGF", "set": {"ligands.VEGF.bath_ng_ml": 50}},
            {"name": "both", "set": BOTH},
            {"name": "none"},
        ],
        "blocked": [arm("VEGFR2", FGFR1=1e9), arm("FGFR1", VEGFR2=1e9), arm("VEGFR2 + FGFR1")],
    },
    "dose_response": {
        "dose": "drug.free_nM",
        "responses": ["tube_length_mm"],
        "unstimulated": {"ligands": "none"},
    },
    "combination": {"group": "blocked", "parts": {"VEGFR2 + FGFR1": ["VEGFR2", "FGFR1"]}},
}


def words(ax: Any) -> str:
    return "\n".join(text.get_text() for text in ax.figure.findobj(Text) if text.get_visible())


# --- two blockades and what they let expect ------------------------------------------------------

DOSE = np.array([0, 1, 3, 10, 30, 100, 1000.0])
NO_FIT = DoseResponse(note="not asked for")


def noisy(shares: Array, chance: np.random.Generator, count: int = 4) -> Array:
    """Lengths (count, D) at inhibitions (D,): what replicates share, and their own noise."""
    level = chance.normal(scale=0.3, size=(count, 1))
    return 15 - 10 * shares + level + chance.normal(scale=0.15, size=(count, shares.size))


def test_independent_blockades_have_no_excess_over_bliss() -> None:
    first, second = DOSE / (DOSE + 6), 0.7 * DOSE**2 / (DOSE**2 + 12**2)
    together = 1 - (1 - first) * (1 - second)
    lengths = [15 - 10 * share + np.zeros((3, 1)) for share in (together, first, second)]
    parts = {name: Blockade(x, NO_FIT) for name, x in zip("ab", lengths[1:], strict=True)}
    for place, one in enumerate(compare(DOSE, lengths[0], np.full(3, 5.0), parts), 1):
        assert one.inhibition == pytest.approx(together[place])
        assert one.bliss == pytest.approx(together[place])
        assert one.bliss_excess == pytest.approx(0, abs=1e-12)
        assert one.loewe is None and one.note == "no Loewe: a alone, not asked for"
    chance, held, all_of = np.random.default_rng(5), 0, 0
    for _ in range(150):
        draws = [noisy(share, chance) for share in (together, first, second)]
        parts = {name: Blockade(x, NO_FIT) for name, x in zip("ab", draws[1:], strict=True)}
        for one in compare(DOSE, draws[0], 5 + 0.2 * chance.normal(size=4), parts):
            assert one.bliss_excess_low is not None and one.bliss_excess_high is not None
            held += one.bliss_excess_low <= 0 <= one.bliss_excess_high
            all_of += 1
    assert 0.90 <= held / all_of <= 0.99


def test_a_drug_with_itself_has_no_excess_over_loewe() -> None:
    """Each of two halves of one drug is a blockade; together they are its double dose."""
    chance = np.random.default_rng(8)
    curve = partial(logistic, bottom=5, top=15, ic50=9.0, hill=1.4)
    alone = curve(DOSE) + chance.normal(scale=1e-4, size=(4, DOSE.size))
    together = curve(2 * DOSE) + chance.normal(scale=1e-4, size=(4, DOSE.size))
    half = Blockade(alone, fit(DOSE, alone, 5.0))
    for one in compare(DOSE, together, np.full(4, 5.0), {"one": half, "other": half}):
        assert one.loewe == pytest.approx(one.inhibition, abs=1e-3)
        assert one.loewe_excess == pytest.approx(0, abs=1e-3)
        assert one.bliss_excess is not None and abs(one.bliss_excess) > 1e-5
    chance = np.random.default_rng(9)
    held = []
    for _ in range(12):
        alone, together = (noisy((15 - curve(n * DOSE)) / 10, chance) for n in (1, 2))
        low = 5 + 0.1 * chance.normal(size=4)
        half = Blockade(alone, fit(DOSE, alone, low))
        for one in compare(DOSE, together, low, {"one": half, "other": half})[:4]:
            assert one.loewe_excess_low is not None and one.loewe_excess_high is not None
            held.append(one.loewe_excess_low <= 0 <= one.loewe_excess_high)
    assert np.mean(held) > 0.85


def test_limits_are_those_of_leaving_out_each_replicate() -> None:
    chance = np.random.default_rng(3)
    low = 5 + chance.normal(scale=0.2, size=4)
    whole, part = (noisy(DOSE / (DOSE + ic50), chance) for ic50 in (3, 8))

    def excess(kept: list[int]) -> float:
        def inhibited(x: Array) -> float:
            top, bottom = x[kept, 0].mean(), low[kept].mean()
            return float((top - x[kept, 3].mean()) / (top - bottom))

        return inhibited(whole) - (1 - (1 - inhibited(part)) ** 2)

    without = [excess([r for r in range(4) if r != out]) for out in range(4)]
    spread = math.sqrt(3 / 4 * sum((x - sum(without) / 4) ** 2 for x in without))
    parts = {"a": Blockade(part, NO_FIT), "b": Blockade(part, NO_FIT)}
    one = compare(DOSE, whole, low, parts)[2]
    assert one.bliss_excess == pytest.approx(excess([0, 1, 2, 3]))
    assert one.bliss_excess_low == pytest.approx(one.bliss_excess - 3.182446 * spread, rel=1e-6)


def test_a_blockade_that_does_nothing_alone_drops_out_of_loewe() -> None:
    chance = np.random.default_rng(5)
    acting, nothing = noisy(DOSE / (DOSE + 6), chance), noisy(0 * DOSE, chance)
    parts = {"acting": Blockade(acting, fit(DOSE, acting, 5.0)),
             "idle": Blockade(nothing, fit(DOSE, nothing, 5.0))}  # fmt: skip
    one = compare(DOSE, acting, np.full(4, 5.0), parts)[2]
    assert one.note == "idle does nothing alone and drops out of Loewe"
    assert one.loewe == pytest.approx(10 / 16, abs=0.05) and one.loewe_low is not None
    both_idle = compare(DOSE, acting, np.full(4, 5.0), {"idle": parts["idle"]})[2]
    assert both_idle.loewe == 0 and both_idle.loewe_excess == both_idle.inhibition


def test_a_part_whose_response_may_hide_in_noise_does_not_drop_out() -> None:
    """Few noisy replicates tell no trend, though they inhibit by a fifth: that is no zero."""
    chance = np.random.default_rng(4)
    acting = noisy(DOSE / (DOSE + 6), chance, 3)
    hidden = 15 - 1.9 * (DOSE > 0) + np.random.default_rng(2).normal(scale=0.6, size=(3, 7))
    one = Blockade(hidden, fit(DOSE, hidden, 5.0))
    assert "no detectable dose response" in one.fit.note
    parts = {"acting": Blockade(acting, fit(DOSE, acting, 5.0)), "hidden": one}
    for given in (parts, {"hidden": one}):
        for found in compare(DOSE, acting, np.full(3, 5.0), given):
            assert found.loewe is None and found.loewe_low is None
            assert "no Loewe: response not distinguishable from noise in hidden" in found.note


def test_a_part_not_distinguishable_from_nothing_drops_out() -> None:
    """And only if no dose may inhibit by a tenth of the controls' difference."""
    seen = set()
    for seed in range(30):
        chance = np.random.default_rng(seed)
        x = 15 - 0.4 * (DOSE > 0) + chance.normal(scale=0.15, size=(4, 7))
        part = Blockade(x, fit(DOSE, x, 5.0))
        if "no detectable dose response" not in part.fit.note:
            continue
        alone = compare(DOSE, x, np.full(4, 5.0))
        found = compare(DOSE, x, np.full(4, 5.0), {"small": part})
        most = max(alone, key=lambda one: one.inhibition or 0)
        assert most.inhibition_high is not None
        for one, own in zip(found, alone, strict=True):
            assert own.inhibition_low is not None and own.inhibition_high is not None
            idle = own.inhibition_low <= 0 <= own.inhibition_high, most.inhibition_high < 0.1
            assert one.loewe == (0 if all(idle) else None)
            seen.add(idle)
    assert len(seen) == 4


def test_parts_that_change_nothing_drop_out_exactly() -> None:
    """A blocked receptor without its ligand: the same runs at all doses, bit by bit."""
    same = np.repeat(np.random.default_rng(4).uniform(10, 20, size=(5, 1)), DOSE.size, axis=1)
    low = np.random.default_rng(5).uniform(4, 5, size=5)
    for count in (5, 1):
        one = Blockade(same[:count], fit(DOSE, same[:count], low[:count]))
        for found in compare(DOSE, same[:count], low[:count], {"idle": one}):
            assert found.loewe == 0 and "idle does nothing alone and drops out" in found.note


def test_where_loewe_is_not_defined_the_reason_is_given() -> None:
    chance = np.random.default_rng(4)
    weak, strong = noisy(0.3 * DOSE / (DOSE + 6), chance), noisy(DOSE / (DOSE + 6), chance)
    parts = {"weak": Blockade(weak, fit(DOSE, weak, 5.0)),
             "strong": Blockade(strong, fit(DOSE, strong, 5.0))}  # fmt: skip
    found = compare(DOSE, strong, np.full(4, 5.0), parts)
    assert found[0].loewe is not None and found[0].note == ""
    assert found[-1].loewe is None and "the others inhibit more than 0.2" in found[-1].note
    late = noisy(DOSE / (DOSE + 9000), chance)
    parts = {"late": Blockade(late, fit(DOSE, late, 5.0)), "strong": parts["strong"]}
    note = compare(DOSE, strong, np.full(4, 5.0), parts)[0].note
    assert note.startswith("no Loewe: late alone, IC50 not")


def test_runs_that_are_missing() -> None:
    chance = np.random.default_rng(4)
    whole, part = noisy(DOSE / (DOSE + 3), chance), noisy(DOSE / (DOSE + 8), chance)
    part[1, 2], whole[:, 3] = np.nan, np.nan
    parts = {"a": Blockade(part, fit(DOSE, part, 5.0)), "b": Blockade(part, NO_FIT)}
    found = compare(DOSE, whole, np.full(4, 5.0), parts)
    others = [0, 2, 3]
    fewer = {name: Blockade(one.response[others], NO_FIT) for name, one in parts.items()}
    same = compare(DOSE, whole[others], np.full(3, 5.0), fewer)
    assert found[1].bliss_excess_low == same[1].bliss_excess_low is not None
    assert found[1].note.startswith("1 of 4 replicates missing")
    assert found[2] == Comparison(10, note="4 of 4 replicates missing")
    parts["b"] = parts["a"]
    one = compare(DOSE, whole, np.full(4, 5.0), parts)[1]
    assert one.loewe is not None and one.loewe_low is None
    assert one.note.endswith("no limits of Loewe: a run is missing")


def test_one_replicate_has_no_limits_and_equal_controls_no_inhibition() -> None:
    whole = 15 - 10 * (DOSE / (DOSE + 3))[None]
    (one, *_) = compare(DOSE, whole, [5.0], {"a": Blockade(whole, fit(DOSE, whole, 5.0))})
    assert one.bliss_excess == pytest.approx(0) and one.bliss_low is None
    assert one.loewe == pytest.approx(1 / 4, abs=1e-3) and one.note == "no limits: one replicate"
    chance = np.random.default_rng(4)
    flat = 15 + chance.normal(size=(4, DOSE.size))
    assert compare(DOSE, flat, 15 + chance.normal(size=4))[0].note == "the controls do not differ"
    with pytest.raises(ValueError, match="first dose must be 0"):
        compare(DOSE[1:], flat[:, 1:], np.zeros(4))


# --- screens -------------------------------------------------------------------------------------


def test_a_screen_gives_a_table_and_a_map(tmp_path: Path) -> None:
    study = made(plan_study(SCREEN), tmp_path / "study")
    found = study.dose_response()
    assert found.differing == ["drug", "ligand"]
    known = {("anlotinib", "VEGF"): 5.6, ("anlotinib", "FGF-2"): 11.7, ("axitinib", "VEGF"): 5.9,
             ("axitinib", "FGF-2"): 380}  # fmt: skip
    assert {pair: one.ic50 for pair, one in found.pairs().items()} == pytest.approx(known, rel=0.15)
    text = words(found.plot_map())
    for pair in known:
        assert all(name in text for name in pair)
        assert found.pairs()[pair].words("absolute_ic50").partition(" (")[0] in text
    with (tmp_path / "study" / "dose_response.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["response"] for row in rows] == ["tube_length_mm"] * 4 + ["meshes"] * 4
    for row in rows:
        one = study.dose_response(row["response"]).pairs()[row["drug"], row["ligand"]]
        for name in ("ic50", "ic50_low", "absolute_ic50_high", "hill", "top_low", "emax"):
            assert (float(row[name]) if row[name] else None) == getattr(one, name)
        assert row["determined"] == str(one.determined) and row["note"] == one.note
    assert found.table["ic50"].tolist() == [one.ic50 for one in found.fits.values()]


def test_curves_of_a_screen_are_in_a_panel_for_each_drug() -> None:
    figure = made(plan_study(SCREEN)).dose_response().plot()
    panels = [one.get_legend() for one in figure.axes]
    assert [legend.get_title().get_text() for legend in panels if legend] == [
        "anlotinib",
        "axitinib",
    ]
    assert "FGF-2: IC50 " in words(figure) and "unstimulated" in words(figure)


def test_maps_need_arms_that_differ_in_two_names() -> None:
    one = made(plan_study(SCREEN | {"group": {"ligand": LIGANDS_AND_NONE}}))
    with pytest.raises(InputError, match="differ in two names, not in ligand"):
        one.dose_response().plot_map()
    three = json.loads(json.dumps(SCREEN))
    three["grid"]["cells.count"] = [300, 350]
    study = made(plan_study(three))
    with pytest.raises(InputError, match=r"not in drug, ligand, cells\.count"):
        study.dose_response().plot_map()
    assert "anlotinib, VEGF" in words(study.dose_response().plot())


def test_the_control_is_made_at_the_lowest_dose_alone(tmp_path: Path) -> None:
    plan = plan_study(SCREEN)
    assert len(plan.runs) == (2 * 2 * len(DOSES) + 2) * 4
    control = [run for run in plan.runs if run.group["ligand"] == "none"]
    assert {run.parameters["drug.free_nM"] for run in control} == {0}
    every = json.loads(json.dumps(SCREEN))
    del every["dose_response"]["unstimulated"]
    whole = {run.index: run.key for run in plan_study(every).runs}
    assert len(whole) == 2 * 3 * len(DOSES) * 4  # so that numbers are those of all combinations
    assert all(whole[run.index] == run.key for run in plan.runs)
    study = made(plan, tmp_path / "study")
    again = sim.Study.open(tmp_path / "study")
    assert again.runs == plan.runs
    assert again.dose_response().fits == study.dose_response().fits


# --- combinations in a study ---------------------------------------------------------------------


def test_redundant_pathways_make_more_of_two_blockades_than_expected(tmp_path: Path) -> None:
    study = made(plan_study(ABLATION), tmp_path / "study")
    table = study.combinations().table
    assert list(table["blocked"].unique()) == ["VEGFR2", "FGFR1", "VEGFR2 + FGFR1"]
    assert len(table) == 2 * 3 * 6
    assert table[table["blocked"] == "VEGFR2"]["bliss"].isna().all()
    pair = table[table["blocked"] == "VEGFR2 + FGFR1"].set_index(["ligands", "dose"])
    alone, both = pair.loc["VEGF"], pair.loc["both"]
    assert (alone["bliss_excess"].abs() < 0.05).all()
    for dose, row in both.iterrows():
        signal = [1 / (1 + dose / ic50) for ic50 in (5.6, 11.7)]
        full = 1 - (1 - WEIGHT) ** 2
        left = 1 - math.prod(1 - WEIGHT * s for s in signal)
        single = [1 - (1 - (1 - WEIGHT) * (1 - WEIGHT * s)) / full for s in signal]
        assert row["inhibition"] == pytest.approx(1 - left / full, abs=0.05)
        assert row["bliss"] == pytest.approx(1 - math.prod(1 - a for a in single), abs=0.05)
    assert (both["bliss_excess_low"].loc[10:] > 0.1).all()
    assert both["loewe"].isna().any() and both["note"].str.contains("the others inhibit").any()
    with (tmp_path / "study" / "combination.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["bliss_excess"] for row in rows] == [
        "" if math.isnan(x) else repr(x) for x in table["bliss_excess"]
    ]


def test_a_picture_of_combinations() -> None:
    figure = made(plan_study(ABLATION)).combinations().plot()
    panels = figure.axes
    assert [one.get_title(loc="left") for one in panels] == [
        "VEGF: VEGFR2 + FGFR1",
        "both: VEGFR2 + FGFR1",
    ]
    faces = [[line.get_markerfacecolor() for line in one.lines if line.get_marker() == "o"]
             for one in panels]  # fmt: skip
    assert faces[0].count("white") == 6 and faces[1].count("white") < 3
    for said in ("differs from Bliss", "Loewe", "potency is an input", "VEGFR2 alone"):
        assert said in words(figure)
    looks = [(line.get_color(), line.get_linestyle()) for line in panels[0].lines[:2]]
    assert len(set(looks)) == 2


def test_a_picture_of_one_combination_has_room_for_its_words() -> None:
    group = {**ABLATION["group"], "ligands": ABLATION["group"]["ligands"][1:]}
    tree = {**ABLATION, "name": "a name that is long " * 5, "group": group}
    figure = made(plan_study(tree | {"description": "why it is done " * 9})).combinations().plot()
    page = figure.bbox
    figure.canvas.draw()
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        assert not text.get_text() or (box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0)


def test_a_missing_combination_gives_its_reason() -> None:
    class Level(Chain):
        def run(self, base: dict[str, Any], task: Task) -> dict[str, float]:
            return {"tube_length_mm": 1.0}

    study = sweep(plan_study(ABLATION), Level())
    with pytest.raises(InputError, match="the controls do not differ"):
        study.combinations().plot()


def test_a_study_without_combination_is_refused() -> None:
    with pytest.raises(InputError, match=r"has no \[combination\]"):
        made(plan_study(SCREEN)).combinations()


def test_failing_doses_are_plain_errors() -> None:
    study = made(plan_study(ABLATION), failing=3)
    table = study.combinations().table.set_index("dose")
    assert (table.loc[3, "note"] == "4 of 4 replicates missing").all()
    assert table.loc[10, "inhibition"].notna().all()
    with pytest.raises(InputError, match=r"no combination .*replicates missing"):
        made(plan_study(ABLATION), failing=0).combinations().plot()


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown key": ({"grop": "blocked"}, "combination.grop", "did you mean 'group'"),
    "unknown group": ({"group": "block"}, "combination.group", "did you mean 'blocked'"),
    "no parts": ({"parts": {}}, "combination.parts", "must be a table of arms"),
    "no list": ({"parts": {"VEGFR2": "FGFR1"}}, "combination.parts.VEGFR2", "at least two arms"),
    "one part": ({"parts": {"VEGFR2": ["FGFR1"]}}, "combination.parts.VEGFR2", "at least two arms"),
    "unknown arm": (
        {"parts": {"both": ["VEGFR2", "FGFR1"]}},
        "combination.parts.both",
        "must be one of",
    ),
    "unknown part": (
        {"parts": {"VEGFR2 + FGFR1": ["VEGFR2", "FGFR"]}},
        "combination.parts.VEGFR2 + FGFR1",
        "did you mean 'FGFR1'",
    ),
    "part of itself": (
        {"parts": {"VEGFR2": ["VEGFR2", "FGFR1"]}},
        "combination.parts.VEGFR2",
        "must be another arm",
    ),
    "part twice": (
        {"parts": {"VEGFR2 + FGFR1": ["VEGFR2", "VEGFR2"]}},
        "combination.parts.VEGFR2 + FGFR1",
        "must be another arm",
    ),
}


@pytest.mark.parametrize(("change", "key", "said"), WRONG.values(), ids=WRONG)
def test_wrong_combinations(change: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_study(ABLATION | {"combination": ABLATION["combination"] | change})
    found = {problem.key: str(problem) for problem in caught.value.problems}
    assert said in found[key], found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.update(combination=3), "must be a table"),
        (lambda t: t["dose_response"].pop("unstimulated"), "needs .dose_response. with an unstim"),
        (lambda t: t.pop("dose_response"), "needs .dose_response. with an unstimulated control"),
        (lambda t: t["grid"].update({"drug.free_nM": [1, 3, 10, 30]}), "with dose 0"),
        (lambda t: t.update(combination={"group": "ligands", "parts": {"both": ["VEGF", "none"]}}),
         "'none': must be one of 'VEGF', 'both'"),
    ],
)  # fmt: skip
def test_combinations_need_controls(change: Callable[[Any], None], said: str) -> None:
    tree = json.loads(json.dumps(ABLATION))
    change(tree)
    with pytest.raises(ScenarioError, match=said):
        plan_study(tree)


# --- pictures in the folder ----------------------------------------------------------------------


def pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.png")}


@pytest.mark.slow
def test_pictures_of_a_study(tmp_path: Path) -> None:
    write_pictures(analyse(made(plan_study(SCREEN), tmp_path / "screen")))
    assert pictures(tmp_path / "screen") == {
        f"{what}_{response}.png"
        for what in ("dose_response", "ic50")
        for response in ("tube_length_mm", "meshes")
    }
    write_pictures(analyse(made(plan_study(ABLATION), tmp_path / "ablation")))
    assert pictures(tmp_path / "ablation") == {
        f"{what}_tube_length_mm.png" for what in ("dose_response", "ic50", "combination")
    }
    one = SCREEN | {"group": {"ligand": LIGANDS_AND_NONE}}
    write_pictures(analyse(made(plan_study(one), tmp_path / "one")))
    assert pictures(tmp_path / "one") == {"dose_response.png"}
    for name in ("screen", "ablation", "one"):
        assert pictures(tmp_path / name) <= set(all_pictures())
    before = (tmp_path / "one" / "dose_response.png").read_bytes()
    write_pictures(analyse(sim.Study.open(tmp_path / "one")))
    assert (tmp_path / "one" / "dose_response.png").read_bytes() == before


def test_pictures_of_an_earlier_table_do_not_stay(tmp_path: Path) -> None:
    def stopped() -> None:
        with pytest.raises(KeyboardInterrupt):
            sweep(plan_study(SCREEN), Stopped(), tmp_path / "study")

    stopped()
    for name in (*all_pictures(), "mine.png"):
        (tmp_path / "study" / name).touch()
    stopped()
    assert pictures(tmp_path / "study") == {"mine.png"}


def test_no_pictures_of_what_has_not_been_measured(tmp_path: Path) -> None:
    write_pictures(analyse(made(plan_study(SCREEN))))
    bare = {"base": "tube_formation", "grid": {"drug.free_nM": [0, 1]}}
    write_pictures(analyse(made(plan_study(bare), tmp_path / "bare")))
    for name, doses in (("nothing", [1]), ("controls", [0, 1])):
        tree = SCREEN | {"grid": {"drug.free_nM": doses}}
        write_pictures(analyse(made(plan_study(tree), tmp_path / name, failing=1)))
    assert not any(map(pictures, (tmp_path / "bare", tmp_path / "nothing", tmp_path / "controls")))


def test_no_pictures_of_arms_beyond_counting(tmp_path: Path) -> None:
    grid = {"drug.free_nM": [0, 1, 10], "cells.count": list(range(300, 331))}
    tree = SCREEN | {"grid": grid, "replicates": 1, "group": {"ligand": LIGANDS_AND_NONE}}
    study = made(plan_study(tree), tmp_path / "study")
    assert len(study.dose_response().fits) == 62
    write_pictures(analyse(study))
    assert not pictures(tmp_path / "study")


def test_sweep_and_merge_write_them(angiosim: Callable[..., Any], workplace: Path) -> None:
    tiny = {
        "name": "tiny",
        "base": "tube_formation",
        "replicates": 2,
        "set": {"domain.size_um": [100, 100], "time.duration_h": "60 s"},
        "grid": {"drug.free_nM": [0, 1, 10, 100]},
        "dose_response": {"dose": "drug.free_nM"},
    }
    sim.sweep(tiny, "study", workers=1)
    assert pictures(Path("study")) == {"dose_response.png"}
    plan = plan_study(ABLATION)
    for i in (1, 2):
        sweep(plan, Chain(), Path(f"shard{i}"), SweepOptions(shard=(i, 2)))
    merged = angiosim("merge", "shard1", "shard2", "--out", "whole")
    assert merged.exit_code == 0
    lines = merged.stdout.splitlines()
    fits = sim.Study.open("whole").dose_response().fits
    assert lines[: len(fits)] == [
        f"tube_length_mm, {arm}: IC50 {fit.words()}"
        + ("" if fit.words() == "not determined" else " nM")
        + ("" if fit.determined else f": {fit.note}")
        for arm, fit in fits.items()
    ]
    assert lines[len(fits)].startswith("see combination.csv, combination_tube_length_mm.png, dose")
    assert analyse(sim.Study.open("shard1")).findings() == []
    assert "combination_tube_length_mm.png" in pictures(Path("whole"))


MORRIS: dict[str, Any] = {
    "name": "elementary effects",
    "base": "tube_formation",
    "replicates": 2,
    "sample": {
        "method": "morris",
        "n": 4,
        "ranges": {"drug.free_nM": [1, 30], "drug.ic50_nM.VEGFR2": [3, 9]},
    },
    "sensitivity": {"responses": ["tube_length_mm"]},
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `Chain` make the runs of the command."""
    monkeypatch.setattr("sim.studies.executors.Pool", lambda *_: Chain())


@pytest.mark.parametrize(
    "tree",
    [slow(SCREEN), slow(ABLATION), MORRIS],
    ids=["drugs", "receptors", "elementary effects"],
)
@pytest.mark.usefixtures("quick")
def test_a_shard_is_not_analysed(
    angiosim: Callable[..., Any], workplace: Path, tree: dict[str, Any]
) -> None:
    Path("study.toml").write_text(tomli_w.dumps(tree))
    made = {"ledger.sqlite", "results.csv", "results.parquet", "study.toml"}
    for i in (1, 2):
        shard = angiosim("sweep", "study.toml", "--shard", f"{i}/2", "--out", f"shard{i}")
        assert shard.exit_code == 0, shard.stderr
        assert "`angiosim merge` analyses the study" in shard.stdout
        assert "see " not in shard.stdout
        assert {path.name for path in Path(f"shard{i}").iterdir()} <= made
    whole = angiosim("sweep", "study.toml", "--out", "whole")
    merged = angiosim("merge", "shard1", "shard2", "--out", "merged")
    assert merged.exit_code == 0, merged.stderr
    assert merged.stdout == whole.stdout.replace("in whole", "in merged")
    found = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
    assert len(found.keys() - made) > 2  # results.parquet needs pyarrow
    for name in found.keys() - {"ledger.sqlite"}:
        assert Path("merged", name).read_bytes() == found[name], name
    # shards one after the other in one folder: the last completes the study
    for i in (1, 2):
        last = angiosim("sweep", "study.toml", "--shard", f"{i}/2", "--out", "one")
    assert "merge" not in last.stdout and "see " in last.stdout
    assert {path.name for path in Path("one").iterdir()} == found.keys()


@pytest.mark.parametrize("tree", [SCREEN, ABLATION, MORRIS], ids=lambda tree: tree["name"])
def test_a_shard_is_not_analysed_in_python_either(tree: dict[str, Any]) -> None:
    shard = sweep(plan_study(tree), Chain(), None, SweepOptions(shard=(1, 2)))
    asked = [key for key in ("dose_response", "combination", "sensitivity") if key in tree]
    for key in asked:
        with pytest.raises(InputError, match=r"this is one shard .* `angiosim merge`"):
            getattr(shard, key.replace("combination", "combinations"))()


def renamed(tree: Any, names: dict[str, str]) -> Any:
    """Return a study with other names of arms."""
    if isinstance(tree, dict):
        return {names.get(key, key): renamed(value, names) for key, value in tree.items()}
    if isinstance(tree, list):
        return [renamed(each, names) for each in tree]
    return names.get(tree, tree) if isinstance(tree, str) else tree


ODD = ["lot A ($5%) or B ($6_)", r"$\frac{1}$", "long " * 100 + "name", "$"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "tree", [*map(slow, (SCREEN, ABLATION)), MORRIS], ids=["drugs", "receptors", "effects"]
)
def test_any_name_of_an_arm_fits_a_picture(
    angiosim: Callable[..., Any], workplace: Path, tree: dict[str, Any]
) -> None:
    if tree is MORRIS:
        tree = {**tree, "group": {"lot": [{"name": name} for name in ODD[:1]]}}
    old = ["VEGF", "axitinib", "FGF-2", "both", "VEGFR2", "FGFR1", "VEGFR2 + FGFR1"]
    new = {name: ODD[place % 4] + "." * (place // 4) for place, name in enumerate(old)}
    tree = tree if tree is MORRIS else {**tree, "group": renamed(tree["group"], new)}
    if "combination" in tree:
        tree = {**tree, "combination": renamed(tree["combination"], new)}
    for group in tree["group"].values():
        for one in group:
            if new["axitinib"] in one.get("set", {}).values():
                one["set"]["drug.name"] = "axitinib"
    Path("study.toml").write_text(tomli_w.dumps(tree))
    done = angiosim("sweep", "study.toml", "--out", "out", "-v")
    assert done.exit_code == 0, done.stderr
    assert "drawn" not in done.stderr
    assert pictures(Path("out"))
    for name in pictures(Path("out")):
        with Image.open(Path("out", name)) as picture:
            assert max(picture.size) < 5000


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_picture_that_fails_hides_nothing(
    angiosim: Callable[..., Any], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug\nin a picture")

    Path("study.toml").write_text(tomli_w.dumps(SCREEN))
    usual = angiosim("sweep", "study.toml", "--out", "usual")
    monkeypatch.setattr("sim.view.study.map.draw_ic50_map", broken)
    done = angiosim("sweep", "study.toml", "--out", "out")
    assert done.exit_code == 0
    maps = [f"ic50_{response}.png" for response in SCREEN["dose_response"]["responses"]]
    bug = "could not be drawn: RuntimeError: a bug in a picture"
    warned = [line for line in done.stderr.splitlines() if "drawn" in line]
    assert warned == [f"warning: {Path('out', name)} {bug}" for name in maps]
    assert "Traceback" not in done.output
    shown, expected = (each.stdout.splitlines() for each in (done, usual))
    assert shown[:8] == expected[:8]
    assert pictures(Path("usual")) - pictures(Path("out")) == set(maps)
    assert Path("out", "run.log").read_text().count("Traceback") == 2
    assert not Path("usual", "run.log").exists()
    again = angiosim("sweep", "study.toml", "--out", "out", "--quiet")
    assert again.exit_code == 0 and bug in again.stderr


# --- the studies that come with it ---------------------------------------------------------------


def test_the_screen() -> None:
    plan = plan_study("sweeps/screen")
    assert len(plan.runs) == (7 * 3 * 9 + 7) * 3
    drugs = {run.group["drug"]: run.settings for run in plan.runs}
    assert list(drugs) == ["anlotinib", "sunitinib", "sorafenib", "nintedanib", "axitinib",
                           "pazopanib", "lenvatinib"]  # fmt: skip
    doses = sorted({run.parameters["drug.free_nM"] for run in plan.runs})
    for name, settings in drugs.items():
        assert settings["drug.name"] == name
        potency = settings["drug.potency"]
        assert potency == ("lin2018" if name == "anlotinib" else "company")
        for ic50 in load_drug(name).potency(potency).ic50_nM.values():
            assert doses[1] < ic50 / 3 and 9 * ic50 < doses[-1]


def test_the_doses_of_the_screen_determine_all_its_ic50s() -> None:
    study = made(plan_study("sweeps/screen"))
    for (drug, ligand), one in study.dose_response().pairs().items():
        potency = load_drug(drug).potency("lin2018" if drug == "anlotinib" else "company")
        assert one.determined and one.ic50 == pytest.approx(
            potency.ic50_nM[LIGANDS[ligand]], rel=0.15
        )


def test_the_ablation() -> None:
    plan = plan_study("sweeps/ablation")
    assert len(plan.runs) == (3 * 7 * 5 + 7) * 6
    for run in plan.runs:
        spared = {key.rpartition(".")[2] for key, value in run.settings.items() if value == 1e9}
        blocked = run.group["blocked"].split(" + ")
        blocked = list(LIGANDS.values()) if blocked == ["all"] else blocked
        assert spared | set(blocked) == set(LIGANDS.values()) and not spared & set(blocked)
    parts = plan.combination["parts"]
    assert {name: name.split(" + ") for name in parts if name != "all"} | {
        "all": list(LIGANDS.values())
    } == parts


def test_the_studies_on_the_page_are_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "screens.md").read_text(encoding="utf-8")
    screen, ablation = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    plan = plan_study(tomllib.loads(screen))
    assert plan.dose_response["unstimulated"] == {"ligand": "none"}
    rest = {"base": plan.base, "grid": {"drug.free_nM": DOSES}}
    assert plan_study(rest | tomllib.loads(ablation)).combination["parts"].keys() == {"both"}
