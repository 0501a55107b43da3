"""Damaged and hostile input of every kind: one clear message or a result, and nothing else.

A case is a number: it says which file is damaged, how, and which command reads it.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.scenario.shipped import shipped, shipped_calibrations, shipped_studies

CASES, ALL = 80, 5000
BLOCK = 250  # cases of one slow test
MOST_S = 1.0  # of processor time
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
TEXTS = {
    "mine.toml": SCENARIO, "dosed.toml": DOSED, "regimen.toml": REGIMEN, "study.toml": STUDY,
    "sample.toml": SAMPLE, "fit.toml": FIT,
    "doses.csv": "time_h,amount_mg,route,infusion_h\n0,12,oral,\n24,5,iv,0.5\n",
    "table.csv": "drug.free_nM,tube_length_mm,tube_length_mm_sd\n0,2,0.1\n5,1.1,\n",
}  # fmt: skip
READERS = {"doses.csv": "dosed.toml", "table.csv": "fit.toml"}
COMMANDS = {
    "mine.toml": [["validate"]],
    "dosed.toml": [["validate"], ["pk"]],
    "regimen.toml": [["validate"], ["pk"]],
    "study.toml": [["validate"], ["sweep", "--list"]],
    "sample.toml": [["validate"], ["sweep", "--list"]],
    "fit.toml": [["validate"]],
}
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


def coded(text: str, pick: random.Random) -> bytes:
    """Return a text in some coding, at times cut or with a byte changed."""
    coding = pick.choice(["utf-8"] * 20 + ["utf-8-sig", "utf-16", "latin-1"])
    content = bytearray(text.encode(coding, errors="replace"))
    if pick.random() < 0.1 and content:
        content[pick.randrange(len(content))] = pick.randrange(256)
    if pick.random() < 0.05:
        del content[pick.randrange(len(content) + 1) :]
    return bytes(content)


def case(number: int, place: Path) -> list[str]:
    """Write the files of a case, and return the command that reads them."""
    pick = random.Random(number)
    for name, text in TEXTS.items():
        (place / name).write_text(text)
    name = pick.choice([*TEXTS])
    text = TEXTS[name]
    for _ in range(pick.choice([1, 1, 1, 2, 4])):
        text = (damaged_csv if name.endswith(".csv") else damaged_toml)(text or "\n", pick)
    (place / name).write_bytes(coded(text, pick))
    file = READERS.get(name, name)
    command, *options = pick.choice(COMMANDS[file])
    words = [command, file, *options]
    if command == "pk" and pick.random() < 0.2:
        key = pick.choice(KEYS)
        words += ["--set", f"{key}={value(pick)}"]
    if pick.random() < 0.03:
        words[1] = pick.choice(WORDS).replace("\\u001b", "\x1b").replace("\\u0000", "\0")
    return words


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
        outcome = angiosim(*words)
    finally:
        watching = False
    spent = time.process_time() - began
    told = f"case {number}, {[word[:100] for word in words]}"
    output = outcome.stdout + outcome.stderr
    assert outcome.exit_code in (0, 2), f"{told}: {output[-1000:]!r}"
    assert outcome.stderr or outcome.exit_code == 0, told
    raw = {c for c in output if not c.isprintable() and c not in "\n\t"}
    assert not raw, f"{told}: {raw}"
    assert SECRET not in output, told
    assert len(output) < 100_000, told
    strangers = [path for path in opened if path != words[1] and not inside(path, place)]
    assert not strangers, f"{told}: {strangers}"
    assert not touched, f"{told}: {touched}"
    assert sorted(place.rglob("*")) == before, told
    assert spent < MOST_S, f"{told}: {spent:.1f} s"


@pytest.fixture(autouse=True, scope="module")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Import what commands import, so that no case has to wait for it."""
    from sim.calibration.file import plan_calibration
    from sim.runs.pk import run_pk
    from sim.studies.file import plan_study

    plan_study(next(iter(shipped_studies())))
    plan_calibration(next(iter(shipped_calibrations())))
    run_pk(sim.load("rat_oral"))
    assert shipped()
    yield


def test_undamaged_files_are_read(place: Path, angiosim: Callable[..., Any]) -> None:
    for name, text in TEXTS.items():
        (place / name).write_text(text)
    for file, commands in COMMANDS.items():
        for command, *options in commands:
            outcome = angiosim(command, file, *options)
            assert outcome.exit_code == 0, (file, outcome.stderr)


def test_damaged_files(place: Path, angiosim: Callable[..., Any]) -> None:
    for number in range(CASES):
        check(number, place, angiosim)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, ALL, BLOCK))
def test_many_damaged_files(first: int, place: Path, angiosim: Callable[..., Any]) -> None:
    for number in range(first, first + BLOCK):
        check(number, place, angiosim)
