"""What `angiosim describe` tells."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from sim import data
from sim.assays import assays
from sim.errors import InputError, ScenarioError
from sim.scenario import keys
from sim.scenario.resolve import load
from sim.scenario.writing import dump
from sim.tools.describe import describe


def told(key: str | None) -> str:
    """The words of a description, on one line."""
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(describe(key))
    return " ".join(capture.get().split())


def test_overview_names_all() -> None:
    text = told(None)
    for path in keys.leaves():
        assert path[-1] in text
    for name in assays():
        assert name in text
    for kind in ("drugs", "ligands", "receptors", "lines", "substrates"):
        for name in data.names(kind):
            assert name in text


def test_a_key_has_default_unit_range_meaning_and_source() -> None:
    text = told("cells.density_per_mm2")
    assert "cells.density_per_mm2 = 550 1/mm^2" in text
    assert "a number above 0" in text
    assert "cells seeded per mm^2" in text
    assert "310-940 per mm^2 [published]" in text
    text = told("time.mcs_s")
    assert "= 30 s" in text
    assert "above 0 in s" in text


def test_a_table_has_all_its_keys() -> None:
    text = told("engine.length")
    assert "engine.length.lambda = 5" in text
    assert "engine.length.target_sites = 15 sites" in text
    assert "engine.area" not in text


def test_the_last_part_of_a_key_is_enough() -> None:
    text = told("mu")
    assert "engine.chemotaxis.cue.mu = 200" in text
    assert "engine.persistence.mu = 0" in text


def test_names_in_keys() -> None:
    assert "10 ng/mL" in told("ligands.PDGF-BB.saturating_ng_ml")
    assert "one of 'exponential', 'explicit'" in told("fields.oxygen.solver")
    assert "at least 0 in h" in told("drug.media.0.at_h")
    assert "drug.media.*.at_h required" in told("drug.media")
    assert "cells.count not set" in told("cells.count")


def test_describe_shows_values_spread_and_evidence_of_a_drug() -> None:
    text = told("anlotinib")
    assert "potency.lin2018.VEGFR2.ic50_nM = 5.6 ± 1.2 nM" in text
    assert "could not be settled" in text
    assert "407.44 g/mol" in text


@pytest.mark.parametrize("name", ["VEGF", "PDGFRB", "cell", "gel", "tube_formation"])
def test_every_data_file_can_be_described(name: str) -> None:
    assert "[published]" in told(name)


def test_a_line_has_what_assays_set_for_it() -> None:
    text = told("ea_hy926")
    assert "a hybrid endothelial line" in text
    assert "in tube_formation time.duration_h = 3 h" in text


def test_every_key_of_a_full_scenario_can_be_plain_errors() -> None:
    import tomllib

    def walk(node: dict[str, object], path: str = "") -> None:
        for key, item in node.items():
            here = f"{path}.{key}".lstrip(".")
            assert here in told(here)
            if isinstance(item, dict):
                walk(item, here)

    written = tomllib.loads(dump(load("tube_formation")))
    walk({key: item for key, item in written.items() if key != "resolved"})


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cells.densty_per_mm2", "cells.density_per_mm2"),
        ("temprature", "temperature"),
        ("anlotinb", "anlotinib"),
        ("VEGFR-2", "VEGFR2"),
        ("", "nothing is called"),
        ("drug.nothing.0", "nothing is called"),
    ],
)
def test_unknown_names_give_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=right):
        describe(wrong)


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; from sim.tools.describe import describe; describe('engine');"
        "print([m for m in ('numba', 'mesa', 'scipy', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_couplings_are_what_the_parts_of_a_step_declare() -> None:
    from sim.model.clock import PARTS

    text = told("couplings")
    places = [text.index(f"{part.__name__.replace('_', ' ')} ") for part in PARTS]
    assert places == sorted(places)
    assert "Binding and trafficking, inhibition, activity, drive" in text
    assert "cells.uptake (molecules/s/cell)" in text


# --- read-outs -----------------------------------------------------------------------------------


def test_every_readout_is_described_with_its_files() -> None:
    import sim
    from sim.assays import columns, responses
    from sim.studies.groups import reserved

    result = sim.run(
        "tube_formation",
        {"domain.size_um": [100, 100], "cells.count": 2, "time.duration_h": "30 s"},
    )
    everything = told("readouts")
    for name in result.timeseries.columns:
        text = told(name)
        assert text.startswith(f"{name} (read-out")
        assert ("summary.json" in text) == (name in result.summary)
        assert ("results.csv of studies" in text) == (name in reserved())
        assert f"{name} (read-out" in everything
        assert name in told(None)
    assert everything.count("(read-out") == len(columns())
    assert set(responses("tube_formation")) < set(result.timeseries.columns)
    assert "tube_length_mm (read-out, mm) network length" in everything
    assert "cells.count" in told("cells") and "living cells" in told("cells")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("tube_lenght_mm", "tube_length_mm"), ("inhibition_VEGFR", "inhibition_VEGFR2"),
     ("readuots", "readouts"), ("lenvatinb", "lenvatinib")],
)  # fmt: skip
def test_the_nearest_is_looked_for_in_readouts_and_drugs_too(wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f"did you mean {right!r}"):
        describe(wrong)


# --- kinds of values -----------------------------------------------------------------------------

EXAMPLES = (
    ("a whole number", 1), ("a number at least 0 and at most 0.5", 0.5), ("a number", 1.0),
    ("a text", "words"), ("true or false", True),
    ("a list of 2 numbers", [1.0, 2.0]), ("a list of whole numbers", [1, 2]),
    ("a list of numbers", [1.0, 2.0]),
    ("a table of numbers", {"1": 1.0}), ("one of ", None), ("", None),
)  # fmt: skip


@pytest.mark.parametrize("path", keys.leaves(), ids=keys.dotted)
def test_what_is_described_is_what_is_allowed(path: tuple[str, ...]) -> None:
    """A value of the kind described is of the right kind; one of another kind is told so."""
    words = keys.allowed(path).removeprefix("must be ")
    example = next(value for start, value in EXAMPLES if words.startswith(start))
    if least := re.match(r"a (?:whole )?number at least ([\d.]+)", words):
        example = type(example)(float(least[1]))
    if example is None:
        example = ast.literal_eval(words.removeprefix("one of ").split(", ")[0])
    names = {"ligands": "VEGF", "receptors": "VEGFR2"}
    names |= dict.fromkeys(("media", "doses", "covariates", "interaction"), "0")
    place: list[str] = []
    for part in path:
        place.append(names.get(place[-1], "cue") if part == "*" else part)
    name = ".".join(place)
    own = (one for one in assays().values() if path[1:2] and path[0] in ("setup", "readout"))
    having = [one.name for one in own if path[1] in getattr(one, path[0]).model_fields]
    base = {"assay": having[0]} if having else {"extends": "tube_formation"}
    base = {"assay": "tumour_bed"} if path[0] == "bed" else base

    def wrong(value: object) -> list[str]:
        *above, last = name.split(".")
        tree: Any = {last: value}
        for part in reversed(above):
            tree = [tree] if part == "0" else {part: tree}
        try:
            load({**base, **tree})
        except ScenarioError as error:
            return [p.allowed for p in error.problems if f"{p.key}.".startswith(f"{name}.")]
        return []

    assert f"must be {words}" not in wrong(example)
    assert wrong([[]]) or wrong({"x": [[]]})


def test_tables_of_numbers_by_name_say_what_they_mean() -> None:
    assert "mean time that the drug stays on a receptor" in told("drug.residence_h")
    assert "instead of the potency set's" in told("drug.ic50_nM")
