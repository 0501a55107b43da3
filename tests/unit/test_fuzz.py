"""Damaged and hostile input of every kind: one clear message or a result, and nothing else.

A case is a number: it says which file is damaged, how, and which command reads it.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import AngiosimError
from sim.files import sha256
from sim.pharmacology.drug_file import template
from sim.scenario.shipped import shipped, shipped_calibrations, shipped_designs, shipped_studies

CASES, ALL = 60, 10_000
BLOCK = 250  # cases of one slow test
COMMANDS_RUN = 30  # cases of the real command
MOST_S = 1.0  # of processor time
MOST_MB = 300  # of memory, beside what the process had
SECRET = "4711-secret"
ROOTS = {
    str(Path(path).resolve())
    for path in (sys.prefix, sys.base_prefix, Path(sim.__file__).parents[1], "/dev/null")
}

SCENARIO = """format = 1
name = "mine"
extends = "tube_formation"
seed = 3
[domain]
size_um = [200, 200]
[time]
duration_h = 1
record_every_h = "30 min"
[cells]
density_per_mm2 = 300
[ligands.VEGF]
bath_ng_ml = 50
[drug]
name = "anlotinib"
exposure = "schedule"
media = [{at_h = 0, free_nM = 5}, {at_h = 0.5, free_nM = 0}]
ic50_nM = {VEGFR2 = 5.6}
[engine.length]
lambda = 0.1
"""
DOSED = """extends = "tube_formation"
[drug]
name = "anlotinib"
exposure = "pk"
species = "rat"
doses_csv = "doses.csv"
pk = {CL = 10}
subject = 3
"""
REGIMEN = """extends = "rat_oral"
[drug.regimen]
dose_mg_per_kg = 3
on_days = 14
off_days = 7
cycles = 2
reductions = {2 = 2}
missed_days = [3]
late_doses = {5 = 6}
"""
STUDY = """name = "doses"
base = "tube_formation_unstimulated"
replicates = 2
[set]
"domain.size_um" = [200, 200]
"time.duration_h" = 0.05
[grid]
"drug.free_nM" = [0, 5, 10]
[group]
ligand = [
  {name = "VEGF", set = {"ligands.VEGF.bath_ng_ml" = 50}},
  {name = "none", set = {}},
]
[dose_response]
dose = "drug.free_nM"
responses = ["tube_length_mm", "meshes"]
unstimulated = {ligand = "none"}
"""
SAMPLE = """name = "sample"
base = "mine.toml"
[sample]
method = "lhs"
n = 4
[sample.ranges]
"drug.ic50_nM.VEGFR2" = [0.5, 50]
"engine.temperature" = {distribution = "loguniform", low = 1, high = 5}
[zip]
"ligands.VEGF.bath_ng_ml" = [1, 2]
"cells.density_per_mm2" = [200, 300]
"""
FIT = """name = "fit"
base = "tube_formation"
trials = 4
[set]
"domain.size_um" = [120, 120]
"time.duration_h" = 0.05
[parameters]
"drug.ic50_nM.VEGFR2" = [0.5, 50]
[data]
file = "table.csv"
relative_error = 0.1
"""
DESIGN = """format = 1
base = "human_12mg"
subjects = 20
[[target]]
of = "inhibition.VEGFR2"
window = "last cycle"
statistic = "mean"
at_least = 0.4
share = 0.5
[vary]
"drug.regimen.dose_mg" = {low = 1, high = 60, strengths = [6, 8]}
[[schedule]]
name = "daily"
set = {"drug.regimen.off_days" = 0}
[limits]
"total_ng_ml.max" = {at_most = 60, window = "steady"}
"""
OWNED = """extends = "human_12mg"
[drug]
file = "mydrug.toml"
"""
KEPT = 'format = 1\nextends = "tube_formation"\n[domain]\nsize_um = [200, 200]\n'
ABOUT = {
    "mcs": 3, "version": "0.2.0", "scenario": KEPT, "rows": {"mcs": [0, 3], "cells": [7, 7.5]},
    "frames": {"0": "a" * 64},
}  # fmt: skip
SESSION = {"started": "now", "ended": "now", "from_mcs": 0, "mcs": 3, "wall_s": {"potts": 0.1}}
MANIFEST = {
    "completed": True, "ended": "now", "version": "0.2.0", "seed": 1, "mcs": 3, "threads": 1,
    "scenario_hash": "ab", "libraries": {"numpy": "1.0"}, "platform": {"machine": "x86_64"},
    "sessions": [SESSION],
}  # fmt: skip
CHECKPOINT, LEDGER = "run/checkpoint/000003.ckpt", "out/ledger.sqlite"
TEXTS = {
    "mine.toml": SCENARIO, "dosed.toml": DOSED, "regimen.toml": REGIMEN, "study.toml": STUDY,
    "sample.toml": SAMPLE, "fit.toml": FIT,
    "doses.csv": "time_h,amount_mg,route,infusion_h\n0,12,oral,\n24,5,iv,0.5\n",
    "table.csv": "drug.free_nM,tube_length_mm,tube_length_mm_sd\n0,2,0.1\n5,1.1,\n",
    "design.toml": DESIGN, "mydrug.toml": template("mydrug"), "owned.toml": OWNED,
    "run/scenario.toml": KEPT, "run/manifest.json": json.dumps(MANIFEST, indent=1),
    "run/timeseries.csv": "time_h,mcs,cells\n0,0,7\n0.02,3,7.5\n",
    CHECKPOINT: json.dumps(ABOUT), "other/scenario.toml": KEPT,
    "other/manifest.json": json.dumps(MANIFEST),
}  # fmt: skip
READERS = {"doses.csv": "dosed.toml", "table.csv": "fit.toml"}
FOLDERS = ("run/", "other/", "out/")
COMMANDS = {
    "mine.toml": [["validate"]],
    "dosed.toml": [["validate"], ["pk"]],
    "regimen.toml": [["validate"], ["pk"]],
    "study.toml": [["validate"], ["sweep", "--list"]],
    "sample.toml": [["validate"], ["sweep", "--list"]],
    "fit.toml": [["validate"]],
    "design.toml": [["validate"]],
    "mydrug.toml": [["validate"], ["describe"]],
    "owned.toml": [["validate"], ["pk"]],
    "run": [["branch"], ["diff", "other"]],
    "other": [["branch"], ["diff", "run"]],
    "out": [["merge", "--out", "merged"], ["merge", "out", "--out", "merged"]],
}
"""Commands that read a file or folder; `branch` is what reads it for ``run --from``."""
WORDS = [
    "../secret.csv", "/dev/zero", "/etc/hostname", "pipe", "link.csv", "loop.toml", "folder",
    "mine.toml", "doses.csv", "", " ", "A" * 5000, "a\\u0000b", "\\u001b[2J", "\\u009b31m",
    "\\u202eevil", "a\\nb", "=cmd|'/C calc'!A0", "+1", "-1", "@SUM(1)", "$\\\\frac{a$", "<b>&amp;",
    "12 mg", "-3 h", "1e999 nM", "12\\n mg", "anlotinib", "human", "published", "sobol", "rat_oral",
    "tube_length_mm", "VEGF", "1979-05-27", "\\U0001F600", "é" * 90, "%s {0}", "[red]x",
]  # fmt: skip
VALUES = [
    "1e400", "-1", "0", "-0.0", "nan", "inf", "-inf", "1e-320", "1e300", "9" * 401, "9" * 5000,
    "9223372036854775808", "-9223372036854775809", "0x" + "f" * 400, "1_000", "0o17", "true",
    "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "2024-02-31", "[]", "{}", "[[]]", "[{}]",
    "[" * 3000, "[" * 40 + "]" * 40, "{a=" * 60 + "1" + "}" * 60, "[1, 'a', {b = 2}]", "[nan, 1]",
    "{name = 5}", "[{name = 'x', set = {seed = 1}}]", "{low = 1, high = 'a'}", "[1, 1]", "3", "7.5",
    *(f'"{word}"' for word in WORDS), *(f'["{word}"]' for word in WORDS[:20]),
]  # fmt: skip
CELLS = [
    "", " ", "nan", "inf", "-1", "1e400", "9" * 401, "9" * 5000, "05", ".5", "5.", "1,5", "1;5",
    '"1', '"a,b"', "=1+1", "@x", "\x1b[2J", "\u202e", "\0", "x" * 200_000, "1979-05-27", "[1]",
    "{doses_csv = '../secret.csv'}", "true", "oral", "iv", "time_h", "drug.doses_csv", "extends",
    "meshes", "drug.name", "#", "\r", "\t",
]  # fmt: skip
KEYS = [
    "seed", "extends", "name", "description", "drug", "drug.doses_csv", "doses_csv", "base", "set",
    "grid", "group", '"\\u001b[31m"', '"=x"', '"\\u202e"', '""', "a" * 5000, '"a.b"', "types.x",
    "drug.regimen.dose_mg", "fields.cue", "domain.size_um.0", "\x1b", ".".join("a" * 200), "points",
]  # fmt: skip

JSON = [
    "null", "true", "-1", "0", "1e999", "NaN", "1.5", '""', '"=1"', '"\\u001b[2J"', '"\\u202e"',
    "[]", "{}", "[[]]", "[null]", '{"a": 1}', "[" * 3000, "[" * 40 + "]" * 40, "9" * 5000, '"x',
    "3", "7", '"../../secret.csv"', '{"\\u009b": 1}',
]  # fmt: skip
DEFINITIONS = [
    "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM plan; END", "DROP TABLE runs",
    "CREATE VIEW v AS SELECT 1", "ALTER TABLE runs RENAME COLUMN key TO other",
    "PRAGMA user_version = 9",
    "DELETE FROM about", "DELETE FROM runs", "DELETE FROM plan", "UPDATE plan SET key = key || 'x'",
    "UPDATE runs SET seed = 'a', replicate = x'00'", "PRAGMA application_id = 3",
    "DELETE FROM about WHERE name = 'code'", "UPDATE plan SET run = run + 7",
]  # fmt: skip
COLUMNS = [
    ("runs", name) for name in ("parameters", "status", "metrics", "stage", "error", "seconds")
] + [("about", "value"), ("about", "name"), ("plan", "run"), ("plan", "key"), ("runs", "key")]

opened: list[str] = []
touched: list[str] = []
watching = False


def _watch(event: str, words: tuple[Any, ...]) -> None:
    """Note what is opened and changed, while it is watched."""
    if not watching:
        return
    if event in ("open", "sqlite3.connect") and isinstance(words[0], str | bytes):
        opened.append(os.fsdecode(words[0]))
    elif event in ("os.remove", "os.rmdir", "os.rename", "os.truncate", "os.mkdir", "os.link"):
        touched.append(f"{event} {words}")


@pytest.fixture(scope="module", autouse=True)
def _watched() -> None:
    sys.addaudithook(_watch)  # which cannot be taken back


@pytest.fixture
def place(workplace: Path) -> Path:
    """A folder with files to damage, and odd ones that they can name."""
    (workplace.parent / "secret.csv").write_text(f"time_h,{SECRET}\n0,{SECRET}\n")
    (workplace / "link.csv").symlink_to("../secret.csv")
    (workplace / "loop.toml").symlink_to("loop.toml")
    (workplace / "folder").mkdir()
    os.mkfifo(workplace / "pipe")
    return workplace


def value(pick: random.Random) -> str:
    """Return a value: as often as not a number, which may even be allowed."""
    number = 10 ** pick.uniform(-6, 7)
    return pick.choice([pick.choice(VALUES), f"{number:.3g}", str(round(number)), "2"])


def near(text: str, pick: random.Random) -> str:
    """Return another number of the kind of one in a text."""
    if text.isdecimal():
        return str(int(text) + pick.choice([0, 1, 1, 2, 10]))
    try:
        return f"{float(text) * pick.uniform(0.5, 2):.4g}"
    except ValueError:
        return text


def damaged_toml(text: str, pick: random.Random) -> str:
    """Change a key, a value, a line, or a character."""
    lines = text.splitlines()
    at = pick.randrange(len(lines))
    key, equals, _ = lines[at].partition("=")
    match pick.randrange(12):
        case 8 | 9 | 10 | 11:
            lines[at] = re.sub(r"[\d.]+", lambda old: near(old[0], pick), lines[at])
        case 0 | 1 | 2 if equals:
            lines[at] = f"{key}= {value(pick)}"
        case 3 if equals:
            lines[at] = lines[at].replace(key, f"{pick.choice(KEYS)} ")
        case 4:
            values = re.findall(r'"[^"]*"|[\d.]+', lines[at])
            if values:
                lines[at] = lines[at].replace(pick.choice(values), value(pick), 1)
        case 5:
            lines.insert(at, f"{pick.choice(KEYS)} = {value(pick)}")
        case 6:
            lines.insert(
                at, pick.choice([lines[pick.randrange(len(lines))], "[drug]", "\x1b", "]"])
            )
        case _:
            del lines[at]
    return "\n".join(lines) + "\n"


def damaged_csv(text: str, pick: random.Random) -> str:
    """Change a cell, a line, or its end."""
    lines = [line.split(",") for line in text.splitlines()]
    row = pick.choice(lines)
    match pick.randrange(5):
        case 0 | 1 | 2:
            row[pick.randrange(len(row))] = pick.choice([pick.choice(CELLS), value(pick)])
        case 3:
            row.insert(pick.randrange(len(row)), pick.choice(CELLS))
        case _:
            del row[-1]
    return "\n".join(",".join(cells) for cells in lines) + pick.choice(["\n", "", "\r\n\r\n"])


def damaged_json(text: str, pick: random.Random) -> str:
    """Change a value, or remove a piece."""
    places = [one.span() for one in re.finditer(r'"[^"]*"|[\d.]+|\{[^{}]*\}|\[[^\[\]]*\]', text)]
    first, last = pick.choice(places) if places else (0, 0)
    return text[:first] + pick.choice([*JSON, "", "3", "4"]) + text[last:]


@cache
def arrays() -> bytes:
    """A small archive."""
    content = io.BytesIO()
    np.savez_compressed(content, lattice=np.zeros((5, 5), np.int32))
    return content.getvalue()


def checkpoint(about: str, pick: random.Random) -> bytes:
    """A checkpoint with this content, mostly with the right checksum."""
    body = bytearray(about.replace("\n", " ").encode() + b"\n" + arrays())
    if pick.random() < 0.3:
        body[pick.randrange(len(body))] = pick.randrange(256)
    sha = "0" * 64 if pick.random() < 0.1 else sha256(bytes(body))
    return f"angiosim checkpoint 1 {sha}\n".encode() + bytes(body)


@cache
def ledger() -> bytes:
    """The ledger of a study of which one run is done."""
    from sim.studies.file import plan_study
    from sim.studies.ledger import Ledger
    from sim.studies.task import Outcome

    plan = plan_study(STUDY_TREE)
    with TemporaryDirectory() as folder:
        path = Path(folder, "ledger.sqlite")
        with Ledger(path) as file:
            file.plan(plan.runs, plan.text, plan.code)
            metrics = {"tube_length_mm": 1.5, "meshes": 3}
            file.record([Outcome(plan.runs[0].key, metrics), Outcome(plan.runs[1].key, None)])
        return path.read_bytes()


STUDY_TREE = {"name": "kept", "base": "tube_formation", "grid": {"drug.free_nM": [0, 5, 10]}}


def damage_ledger(path: Path, pick: random.Random) -> None:
    """Change bytes, rows or tables."""
    if pick.random() < 0.3:
        content = bytearray(path.read_bytes())
        for _ in range(pick.choice([1, 10, 1000])):
            content[pick.randrange(len(content))] = pick.randrange(256)
        path.write_bytes(content[: pick.choice([len(content), pick.randrange(len(content))])])
        return
    with closing(sqlite3.connect(path)) as file, file, suppress(sqlite3.Error):
        file.execute("PRAGMA ignore_check_constraints = ON")
        if pick.random() < 0.3:
            file.execute(pick.choice(DEFINITIONS))
            return
        table, column = pick.choice(COLUMNS)
        word: Any = pick.choice([*JSON, *(word for word in VALUES if len(word) < 500)])
        word = pick.choice([word, word.encode(), pick.randrange(9), json.dumps({"a": word})])
        file.execute(f"UPDATE {table} SET {column} = ?", (word,))


def coded(text: str, pick: random.Random) -> bytes:
    """Return a text in some coding, at times cut or with a byte changed."""
    coding = pick.choice(["utf-8"] * 20 + ["utf-8-sig", "utf-16", "latin-1"])
    content = bytearray(text.encode(coding, errors="replace"))
    if pick.random() < 0.1 and content:
        content[pick.randrange(len(content))] = pick.randrange(256)
    if pick.random() < 0.05:
        del content[pick.randrange(len(content) + 1) :]
    return bytes(content)


def write_whole(place: Path) -> None:
    """Write all files, undamaged."""
    shutil.rmtree(place / "merged", ignore_errors=True)
    for folder in FOLDERS:
        shutil.rmtree(place / folder, ignore_errors=True)
        (place / folder).mkdir()
    (place / CHECKPOINT).parent.mkdir()
    for name, text in TEXTS.items():
        (place / name).write_text(text)
    (place / CHECKPOINT).write_bytes(checkpoint(TEXTS[CHECKPOINT], random.Random(0)))
    (place / LEDGER).write_bytes(ledger())


def case(number: int, place: Path) -> list[str]:
    """Write the files of a case, and return the command that reads them."""
    pick = random.Random(number)
    write_whole(place)
    name = pick.choice([*TEXTS, *[LEDGER] * 3, *[CHECKPOINT] * 2, "run/manifest.json"])
    if name == LEDGER:
        damage_ledger(place / LEDGER, pick)
    else:
        text = TEXTS[name]
        damage = {".csv": damaged_csv, ".toml": damaged_toml}.get(Path(name).suffix, damaged_json)
        for _ in range(pick.choice([1, 1, 1, 2, 4])):
            text = damage(text or "\n", pick)
        content = checkpoint(text, pick) if name == CHECKPOINT else coded(text, pick)
        (place / name).write_bytes(content)
    if name == "mydrug.toml" and pick.random() < 0.4:
        name = "owned.toml"
    file = READERS.get(name, name.partition("/")[0])
    command, *options = pick.choice(COMMANDS[file])
    words = [command, file, *options]
    if command in ("pk", "sweep") and pick.random() < 0.2:
        key = pick.choice(KEYS)
        words += ["--set", f"{key}={value(pick)}"]
    if pick.random() < 0.03:
        words[1] = pick.choice(WORDS).replace("\\u001b", "\x1b").replace("\\u0000", "\0")
    return words


def branch(folder: str) -> Any:
    """Read the folder of a run as ``run --from`` does, without running anything."""
    from sim.runs.branch import branch_of

    try:
        branch_of(folder, {"time.duration_h": 100})
    except AngiosimError as error:
        return SimpleNamespace(exit_code=error.exit_code, stdout="", stderr=str(error))
    return SimpleNamespace(exit_code=0, stdout="", stderr="")


EXITS = {"merge": (0, 2, 3), "diff": (0, 1, 2), "branch": (0, 2, 4)}
"""Codes of exit: of the others 0 and 2. A run that cannot go on, for lack of a checkpoint, is 4."""


def inside(path: str, place: Path) -> bool:
    """Whether a file is of the case, or of Python and the package."""
    real = os.path.realpath(path)
    return any(real == root or real.startswith(root + os.sep) for root in (*ROOTS, str(place)))


def check(number: int, place: Path, angiosim: Callable[..., Any]) -> None:
    global watching
    words = case(number, place)
    before = sorted(place.rglob("*"))
    opened.clear()
    touched.clear()
    began = time.process_time()
    watching = True
    try:
        outcome = branch(words[1]) if words[0] == "branch" else angiosim(*words)
    finally:
        watching = False
    spent = time.process_time() - began
    told = f"case {number}, {[word[:100] for word in words]}"
    output = outcome.stdout + outcome.stderr
    assert outcome.exit_code in EXITS.get(words[0], (0, 2)), f"{told}: {output[-1000:]!r}"
    assert outcome.stderr or outcome.exit_code in (0, 1), told
    raw = {c for c in output if not c.isprintable() and c not in "\n\t"}
    assert not raw, f"{told}: {raw}"
    assert not re.search("unexpected [A-Z]", output), f"{told}: {output[-1000:]!r}"
    named = words[1].endswith(("link.csv", "/secret.csv"))  # on the command line: columns are shown
    assert SECRET not in output or named, told
    assert len(output) < 100_000 or outcome.exit_code == 0, f"{told}: {len(output)} characters"
    strangers = [path for path in opened if path != words[1] and not inside(path, place)]
    assert not strangers, f"{told}: {strangers}"
    if words[0] != "merge" or outcome.exit_code == 2:
        assert not [one for one in touched if str(place / "out") not in one], f"{told}: {touched}"
        left = {path for path in place.rglob("*") if not path.name.endswith("-journal")}
        assert sorted(left) == before, told
    assert spent < MOST_S, f"{told}: {spent:.1f} s"


@pytest.fixture(autouse=True, scope="module")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Import what commands import, so that no case has to wait for it."""
    import scipy.stats.qmc  # noqa: F401 - of sampled studies

    from sim.calibration.file import plan_calibration
    from sim.design.file import plan_design
    from sim.runs.pk import run_pk
    from sim.studies.file import plan_study

    plan_study(next(iter(shipped_studies())))
    plan_calibration(next(iter(shipped_calibrations())))
    plan_design(next(iter(shipped_designs())))
    run_pk(sim.load("rat_oral"))
    assert shipped()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_whole(Path(folder))
        for file, commands in COMMANDS.items():
            for command, *options in commands:
                if command != "branch":
                    CliRunner().invoke(app, [command, file, *options])
    yield


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """No case may need much."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert more < MOST_MB, f"{more:.0f} MB more"


def test_undamaged_files_are_read(place: Path, angiosim: Callable[..., Any]) -> None:
    write_whole(place)
    for file, commands in COMMANDS.items():
        for command, *options in commands:
            if command == "branch":
                outcome = branch(file)
                wanted = 4 if file == "run" else 0  # its snapshots are not there
            else:
                outcome = angiosim(command, file, *options)
                wanted = {"merge": 3, "diff": 1}.get(command, 0)
            assert outcome.exit_code == wanted, (command, file, outcome.stderr, outcome.stdout)


def test_damaged_files(place: Path, angiosim: Callable[..., Any]) -> None:
    for number in range(CASES):
        check(number, place, angiosim)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, ALL, BLOCK))
def test_many_damaged_files(first: int, place: Path, angiosim: Callable[..., Any]) -> None:
    for number in range(first, first + BLOCK):
        check(number, place, angiosim)


@pytest.mark.slow
def test_damaged_files_and_the_command(place: Path) -> None:
    """The same through a process of its own."""
    program = "from sim.cli.main import main; main()"
    root = str(Path(sim.__file__).parents[1])
    done = 0
    for number in range(ALL, 2 * ALL):
        words = case(number, place)
        if words[0] == "branch" or any("\0" in word for word in words):
            continue
        found = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, check=False, timeout=60,
            env=os.environ | {"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        output = (found.stdout + found.stderr).decode()
        assert found.returncode in EXITS.get(words[0], (0, 2)), (number, words, output[-1000:])
        assert "Traceback" not in output, (number, words)
        assert not {c for c in output if not c.isprintable() and c not in "\n\t"}, number
        assert (place / "merged").exists() <= (found.returncode in (0, 3)), number
        done += 1
        if done == COMMANDS_RUN:
            return
