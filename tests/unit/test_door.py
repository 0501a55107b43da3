"""What comes in by the door: files, what they name, names, keys, and what a folder holds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim import files
from sim.calibration.file import plan_calibration
from sim.errors import FileError, FolderError, InputError, Problem, ScenarioError, visible
from sim.input import default_name, plain
from sim.pharmacology.dose_table import read_doses
from sim.pharmacology.dosing import Dose
from sim.runs.folder import RunFolder
from sim.scenario.resolve import load
from sim.studies.file import plan_study
from sim.studies.folder import hold
from sim.studies.ledger import Ledger

STUDY = 'name = "doses"\nbase = "tube_formation"\n[grid]\n"drug.free_nM" = [0, 5]\n'
FIT = (
    'base = "tube_formation"\n[parameters]\n"drug.ic50_nM.VEGFR2" = [0.5, 50]\n'
    '[data]\nfile = "FILE"\nrelative_error = 0.1\n'
)
SECRET = "4711-secret"


def wrong(call: Callable[..., object], *words: Any) -> dict[str, Problem]:
    with pytest.raises(ScenarioError) as caught:
        call(*words)
    assert SECRET not in str(caught.value)
    return {problem.key: problem for problem in caught.value.problems}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# --- one function for every key that names a file ------------------------------------------------


OUTSIDE = [
    "/dev/zero", "/etc/hostname", "../outside.csv", "link.csv", "below/../../outside.csv", "pipe",
    "folder", "none.csv", "loop.csv", "", " ", "A" * 5000, "a\0b", ".", "..",
]  # fmt: skip


@pytest.fixture
def place(workplace: Path) -> Path:
    """A folder with odd files, and beside it one that nobody may read."""
    write(workplace.parent / "outside.csv", f"time_h,{SECRET}\n0,{SECRET}\n")
    (workplace / "link.csv").symlink_to("../outside.csv")
    (workplace / "loop.csv").symlink_to("loop.csv")
    (workplace / "folder").mkdir()
    (workplace / "below").mkdir()
    os.mkfifo(workplace / "pipe")
    write(workplace / "below" / "doses.csv", "time_h,amount_mg\n0,12\n")
    return workplace


def test_a_link_out_of_the_folder_is_reported_as_one(place: Path) -> None:
    for root, words in ((place, str(place)), (Path(), "the working folder")):
        with pytest.raises(InputError) as caught:
            files.named_file("link.csv", root, root)
        where = f"must be a file in or below {words}"
        assert caught.value.reason == f"{where}; that is a link out of it"
        with pytest.raises(InputError, match=r"in or below [^;]*$"):
            files.named_file("../outside.csv", root, root)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_key_names_a_file_outside(place: Path, name: str) -> None:
    with pytest.raises(InputError, match="must be a file in or below"):
        files.named_file(name, place, place)
    text = name.replace("\0", "\\u0000")
    scenario = write(place / "a.toml", f'extends = "rat_oral"\n[drug]\ndoses_csv = "{text}"\n')
    assert "drug.doses_csv" in wrong(load, scenario)
    assert "extends" in wrong(load, write(place / "a.toml", f'extends = "{text}"\n'))
    assert "base" in wrong(plan_study, write(place / "s.toml", f'base = "{text}"\n'))
    fit = write(place / "c.toml", FIT.replace("FILE", text))
    assert "data.file" in wrong(plan_calibration, fit)
    assert "drug.doses_csv" in wrong(load, "rat_oral", {"drug.doses_csv": name})
    assert "drug.doses_csv" in wrong(load, {"extends": "rat_oral", "drug": {"doses_csv": name}})


def test_files_below_are_read_wherever_they_are_referred_to(place: Path, tmp_path: Path) -> None:
    head = 'extends = "tube_formation"\n[drug]\nname = "anlotinib"\nexposure = "pk"\n'
    pk = {"drug": {"name": "anlotinib", "exposure": "pk", "species": "human"}}
    for scenario in (
        load(write(place / "a.toml", head + 'species = "human"\ndoses_csv = "below/doses.csv"')),
        load(write(place / "below/b.toml", head + 'species = "human"\ndoses_csv = "doses.csv"')),
        load(pk, {"drug.doses_csv": "below/doses.csv"}),
        load({"drug": {**pk["drug"], "doses_csv": "below/doses.csv"}}),
        load({"extends": "below/b.toml"}),
    ):
        assert scenario.drug is not None
        assert [(dose.at_h, dose.amount_mg) for dose in scenario.drug.doses] == [(0, 12)]


@pytest.mark.parametrize(
    "text",
    [
        '[grid]\n"drug.doses_csv" = ["below/doses.csv"]\n',
        '[[group.doses]]\nname = "a"\nset = {"drug.doses_csv" = "below/doses.csv"}\n',
        '[[group.doses]]\nname = "a"\nset = {drug = {doses_csv = "below/doses.csv"}}\n',
    ],
)
def test_runs_of_a_study_read_no_files(place: Path, text: str) -> None:
    found = wrong(plan_study, write(place / "s.toml", 'base = "rat_oral"\n' + text))
    assert "drug.doses" in str(found)


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_ignored(tmp_path: Path, coding: str) -> None:
    scenario, study, doses, table, fit = (
        tmp_path / name for name in ("a.toml", "s.toml", "doses.csv", "table.csv", "c.toml")
    )
    scenario.write_text('format = 1\nextends = "tube_formation"\n', encoding=coding)
    study.write_text(STUDY, encoding=coding)
    doses.write_text("time_h,amount_mg\n0,12\n", encoding=coding)
    table.write_text("drug.free_nM,meshes\n.5,7\n05,2\n", encoding=coding)
    fit.write_text(FIT.replace("FILE", "table.csv"), encoding=coding)
    assert load(scenario).name == "a"
    assert len(plan_study(study).runs) == 2
    assert read_doses(doses) == (Dose(0, 12),)
    assert plan_calibration(fit).conditions == [{"drug.free_nM": 0.5}, {"drug.free_nM": 5}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a = 1".encode("utf-16"), "in UTF-16; save it as UTF-8"),
        (b"a = '\xff'", "not a text file"),
        (b"a = 1\0", "NUL"),
        (b"a = " + b"9" * 5000, "out of range"),
        (b"a = 2024-02-31", "not valid TOML"),
        (b"a = " + b"[" * 3000, "nested too deeply"),
        (b".".join([b"a"] * 20_000) + b" = 1", "nested too deeply"),
    ],
)
def test_files_that_are_not_toml_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    for read in (files.read_toml, load, plan_study, plan_calibration):
        with pytest.raises(InputError, match=told):
            read(path)


def test_files_that_are_not_regular_or_too_large_are_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, told in (
        ("/dev/zero", "not a regular file"),
        ("pipe", "not a regular file"),
        ("loop.csv", "too many levels"),
        ("folder", "is a folder"),
        ("A" * 5000, "file name too long"),
        ("a\0b", "no such file"),
        ("", "folder"),
    ):
        for read in (load, plan_study, plan_calibration):
            with pytest.raises(InputError, match=told):
                read(name)
    with pytest.raises(FileError, match="too large; must be at most 1 MB"):
        files.read_text(write(place / "a.csv", "a\n" * 600_000), 1_000_000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1\n", "line 2: has 1 cells; must have 2"),
        ("a,a\n1,2\n", "column = 'a': is given twice"),
        ("a,\n1,2\n", "column 2: has no name"),
        ("a;b\n1;2\n", "separated by commas"),
        ('a\n"1\n', "not a CSV table"),
        ("a\n1\n2\n3\n4\n", "has 4 rows; must have at most 3"),
    ],
)
def test_invalid_tables_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        files.read_csv(write(tmp_path / "a.csv", text), 3)


def test_tables_as_spreadsheets_write_them(tmp_path: Path) -> None:
    text = "# wells\r\na, b,,\r\n\r\n1, 2,,\r\n"
    assert files.read_csv(write(tmp_path / "a.csv", text), 3) == (
        ["a", "b"],
        [(4, {"a": "1", "b": "2"})],
    )
    assert files.read_csv(write(tmp_path / "a.csv", ""), 3) == ([], [])


# --- names, keys, values -------------------------------------------------------------------------


BAD = [
    "\x1b[2J",
    "a\u202eb",
    "\x9b31m",
    "a\nb",
    "a\rb",
    "a\0",
    "\u200b",
    "=1",
    "+1",
    "-1",
    "@a",
    " ",
]


@pytest.mark.parametrize("name", BAD)
def test_names_and_keys_are_checked_first(name: str) -> None:
    study = {"base": "tube_formation", "grid": {"drug.free_nM": [0, 1]}}
    group = {"group": {"kind": [{"name": name}, {"name": "b"}]}}
    for call, tree in (
        (load, {"extends": "tube_formation", "name": name}),
        (load, {"extends": "tube_formation", name: 1}),
        (load, {"extends": "tube_formation", "types": {name: {}}}),
        (plan_study, {**study, "name": name}),
        (plan_study, {**study, **group}),
        (plan_study, {**study, "group": {name: [{"name": "b"}]}}),
        (plan_study, {**study, name: 1}),
    ):
        with pytest.raises(ScenarioError) as caught:
            call(tree)
        lines = str(caught.value).splitlines()
        assert all(line.isprintable() for line in lines)
        assert any("must not" in line for line in lines)


def test_names_are_not_swept() -> None:
    study = {"base": "tube_formation", "grid": {"name": ["=1", "b"], "description": ["=1"]}}
    assert {"name", "description"} <= wrong(plan_study, study).keys()


def test_values_that_no_key_allows_are_refused() -> None:
    import datetime

    problems: list[Problem] = []
    deep: list[Any] = []
    deep.append(deep)
    given = {"a": 10**5000, "b": datetime.date(2024, 1, 2), "c": object, "d": deep, "e": "\x1b",
             "description": "two\nlines\u00a0of text", "f": None, "g": "x" * 20_000}  # fmt: skip
    found = plain(given, problems)
    assert {key: value for key, value in found.items() if key != "d"} == {
        "a": math.inf, "description": given["description"],
    }  # fmt: skip
    assert [problem.key for problem in problems][:2] == ["b", "c"]
    assert "2024-01-02: must not be a date" in str(problems[0])
    assert "nested too deeply" in str(problems[2])
    assert [problem.key for problem in problems][-2:] == ["e", "g"]


def test_tables_have_at_most_some_keys() -> None:
    found = wrong(load, {"extends": "tube_formation", "drug": {f"k{n}": 1 for n in range(10_001)}})
    assert "has 10,001 keys; must have at most 10,000" in str(found["drug"])


def test_default_names() -> None:
    names = {"a.toml": "a", "=x.toml": "x", "a\x1bb.toml": "a_b", "-.toml": "unnamed"}
    assert {name: default_name(Path(name)) for name in names} == names


def test_messages_show_what_they_cannot_print() -> None:
    assert visible("µg a\x1b[2J\u202e\udcff") == "µg a\\x1b[2J\\u202e\\udcff"
    problem = Problem("k\x1b", "v\x1b", "all\x9b", "hint\u202e")
    assert str(problem) == "k\\x1b = 'v\\x1b': all\\x9b (hint\\u202e)"
    for error in (
        InputError("a\x1b\nb\x9b"), FileError("a\x1b", "b\x9b"), ScenarioError("a\x1b", [problem]),
    ):  # fmt: skip
        assert all(line.isprintable() for line in str(error).split("\n"))
    many = str(ScenarioError("a" * 5000, [problem] * 120)).splitlines()
    assert len(many) == 52
    assert many[-1] == "  and 70 more"
    assert len(many[0]) < 350


# --- what is not ours stays ----------------------------------------------------------------------


def all_that_is_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


LOCK = "angiosim: process 1 on here, writing 0123abcd\n"


@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "foreign", "folder", "pipe"])
def test_a_lock_that_is_not_ours_is_kept(tmp_path: Path, kind: str) -> None:
    precious = write(tmp_path / "precious", LOCK if kind == "hard" else "data")
    lock = tmp_path / "out" / "study.lock"
    lock.parent.mkdir()
    make: dict[str, Callable[[], object]] = {
        "link": lambda: lock.symlink_to(precious),
        "dangling": lambda: lock.symlink_to("nowhere"),
        "hard": lambda: os.link(precious, lock),
        "foreign": lambda: lock.write_text("mine"),
        "folder": lock.mkdir,
        "pipe": lambda: os.mkfifo(lock),
    }
    make[kind]()
    before = all_that_is_in(tmp_path)
    with pytest.raises(FolderError, match="not a lock file"), hold(lock.parent, "study.toml", "a"):
        pass
    assert all_that_is_in(tmp_path) == before
    assert os.path.lexists(lock)


def test_an_empty_lock_is_kept_and_our_own_removed(tmp_path: Path) -> None:
    lock = tmp_path / "study.lock"
    lock.touch()
    with hold(tmp_path, "study.toml", "a"):
        assert str(os.getpid()) in lock.read_text()
    assert lock.read_text() == ""
    lock.write_text(LOCK)
    with hold(tmp_path, "study.toml", "a"):
        pass
    assert not lock.exists()


def test_a_lock_is_read_only_in_a_folder_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "study.lock", LOCK)
    write(tmp_path / "notes.txt", "mine")
    write(tmp_path / ".study.toml.0123abcd89ab4567.tmp", "mine")
    before = all_that_is_in(tmp_path)
    with pytest.raises(FolderError, match="not empty"), hold(tmp_path, "study.toml", "a"):
        pass
    assert all_that_is_in(tmp_path) == before


@pytest.mark.parametrize("file", ["study.toml", "calibration.toml"])
def test_a_file_is_refused_as_a_study_folder(tmp_path: Path, file: str) -> None:
    write(tmp_path / file, 'name = "a"\n# my notes\n')
    before = all_that_is_in(tmp_path)
    with pytest.raises(FolderError, match="has written"), hold(tmp_path, file, "a"):
        pass
    assert all_that_is_in(tmp_path) == before
    Ledger(tmp_path / "ledger.sqlite").close()
    (tmp_path / file).rename(tmp_path.parent / file)
    (tmp_path / file).symlink_to(tmp_path.parent / file)
    with pytest.raises(FolderError, match="has written"), hold(tmp_path, file, "a"):
        pass


def test_a_ledger_that_is_a_link_or_pipe_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "real.sqlite").close()
    (tmp_path / "ledger.sqlite").symlink_to("real.sqlite")
    os.mkfifo(tmp_path / "pipe")
    for name in ("ledger.sqlite", "pipe"):
        for read_only in (True, False):
            with pytest.raises(InputError, match="regular file"):
                Ledger(tmp_path / name, read_only=read_only)


def test_only_what_a_run_has_left_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunFolder.clear(path)  # nothing there
    with RunFolder.create(path, "tube", 1) as folder:
        folder.write_scenario("")
        (path / "frames").mkdir()
    write(path / "frames" / ".000720.npz.0123abcd89ab4567.tmp", "half")
    write(path / ".final.npz.0123abcd89ab4567.tmp", "half")
    mine = write(path / "notes.txt", "mine")
    before = all_that_is_in(tmp_path)
    with pytest.raises(FolderError, match="other files than those of a run"):
        RunFolder.clear(path)
    assert all_that_is_in(tmp_path) == before
    folder.discard()
    assert all_that_is_in(tmp_path) == {"run/notes.txt": "mine"}
    mine.unlink()
    write(path / "run.log", "of another program\n")
    with pytest.raises(FolderError, match="other files than those of a run"):
        RunFolder.clear(path)
    (path / "run.log").unlink()
    path.rmdir()
    RunFolder.create(path, "tube", 1).close()
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(FolderError, match="other files than those of a run"):
        RunFolder.clear(tmp_path / "link")
    RunFolder.clear(path)
    assert not path.exists()


@pytest.mark.parametrize("out", ["A" * 5000, "file", "file/below", "a\x1b[31m/file"])
def test_impossible_folders_are_refused(
    workplace: Path, angiosim: Callable[..., Any], out: str
) -> None:
    write(workplace / "file", "mine")
    (workplace / "a\x1b[31m").mkdir()
    write(workplace / "a\x1b[31m" / "file", "mine")
    study = write(workplace / "s.toml", STUDY)
    for words in (
        ("sweep", study, "--list", "--out", out), ("merge", out, "--out", "b"),
        ("scenarios", "tube_formation", "--copy-to", out), ("run", "tube_formation", "--out", out),
        ("sweep", study, "--out", out),
    ):  # fmt: skip
        if words[:3] == ("sweep", study, "--list") and out == "file/below":
            continue  # nothing is written there
        outcome = angiosim(*words)
        assert outcome.exit_code == 2, outcome.stderr
        assert outcome.stderr.replace("\n", "").isprintable()
    assert (workplace / "file").read_text() == "mine"
