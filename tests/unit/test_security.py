"""Files are data: what hostile ones can reach, and what of them reaches a terminal."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import slow

import sim
from sim import files, logs
from sim.bed import graph
from sim.errors import CheckpointError, FolderError, InputError, LedgerWarning
from sim.pharmacology.drug_file import read_drug_file, template
from sim.runs.branch import branch_of, start_in
from sim.runs.checkpoint import most_bytes, read_checkpoint
from sim.runs.folder import RunFolder, logging_into
from sim.runs.reading import read_manifest
from sim.runs.resume import folder_to_resume, stored_run
from sim.scenario.resolve import load
from sim.studies.folder import default_folder, hold
from sim.studies.ledger import Ledger
from sim.studies.rows import checksum, seal
from sim.tools.diff import compare

ESCAPE, TURNED = "ev\x1b[31mil", "ev\u202eil"
PACKAGE = Path(sim.__file__).parent


def written(folder: Path) -> dict[str, bytes]:
    """What is in a folder."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- what reaches a terminal ---------------------------------------------------------------------


def test_only_one_function_of_the_command_prints() -> None:
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        calls = [
            (path.name, node.lineno)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.echo", "print")
        ]
        assert len(calls) <= (path.name == "common.py"), calls


@pytest.mark.parametrize(
    "name", [ESCAPE, *map(slow, (TURNED, "\x9b2J", "=1", "<b>", "$\\frac{a$")), "[red]"]
)
def test_names_of_files_reach_a_terminal_escaped(
    workplace: Path, angiosim: Callable[..., Any], name: str
) -> None:
    file, drug = f"{name}.toml", Path("drugs", f"{name}.toml")
    Path(file).write_text('extends = "rat_oral"\n[drug]\nfree_nM = 1\n')
    Path("good.toml").write_text('extends = "rat_oral"\n')
    drug.parent.mkdir()
    drug.write_text(template("mine"))
    for words in (
        ("validate", f"./{file}", "none"), ("validate", "good.toml", f"./{drug}"), (name,),
        ("describe", f"./{drug}"), ("pk", f"./{file}"), ("pk", "good.toml", f"./{file}", "--csv"),
        ("sweep", f"./{file}"), ("run", f"./{file}"), ("run", "good.toml", f"--{name}"),
        ("run", "good.toml", "--seed", name), ("merge", f"./{file}", "--out", "out"),
        ("diff", f"./{file}", name), ("export", f"./{file}", "--to", "tiff"),
        ("export", ".", "--to", name), ("calibrate", f"./{file}"), ("design", f"./{file}"),
        ("drug", "new", name), ("run", "--from", f"./{file}"), ("scenarios", name),
        ("bench", name), ("pk", "good.toml", "--plot", f"{name}/a.png"),
    ):  # fmt: skip
        outcome = angiosim(*words)
        output = outcome.stdout + outcome.stderr
        assert outcome.exit_code in (0, 2), (words, output)
        assert not {c for c in output if not c.isprintable() and c not in "\n\t"}, words
        assert "MarkupError" not in output
    tables = angiosim("pk", f"./{file}").stdout + angiosim("pk", "./good.toml").stdout
    assert "anlotinib" in tables


@pytest.mark.parametrize("name", [ESCAPE, TURNED, "=1", "+1", "-1", "@a"])
def test_a_drug_is_not_called_so(workplace: Path, name: str) -> None:
    path = Path(f"{name}.toml")
    path.write_text(template("mine"))
    with pytest.raises(InputError, match="which must not"):
        read_drug_file(path)
    text = template("mine").replace("[potency.", f'[potency."{name}".'.replace("\x1b", "\\u001b"))
    Path("mine.toml").write_text(text)
    with pytest.raises(InputError, match="must not"):
        read_drug_file(Path("mine.toml"))


@pytest.mark.parametrize("cell", ["a\x1b[2J", "a\u202eb", "a\x9bb"])
def test_tables_have_no_control_characters(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.csv"
    for text in (f"{cell},b\n1,2\n", f"a,b\n1,{cell}\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="must not contain control or invisible"):
            files.read_csv(path, 10)
    path.write_text("=a,b\n1,2\n")
    with pytest.raises(InputError, match="must not begin with"):
        files.read_csv(path, 10)


def test_a_log_shows_no_control_characters_and_follows_no_link(tmp_path: Path) -> None:
    logger = logging.getLogger("sim.somewhere")
    with logging_into(tmp_path / "run.log"):
        try:
            raise ValueError(f"{ESCAPE}\n{TURNED}")
        except ValueError:
            logger.exception("%s", ESCAPE)
    text = (tmp_path / "run.log").read_text()
    assert "ev\\x1b[31mil" in text and "ev\\u202eil" in text
    assert all(line.isprintable() for line in text.splitlines())
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "link").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        logs.Log(tmp_path / "link")
    assert precious.read_text() == "mine"


def test_folders_with_impossible_names_are_no_folders(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    for name in ("A" * 3000, "a\0b"):
        for words in (
            ("diff", name, name), ("run", "--from", name), ("draw", name), ("view", name),
            ("export", name, "--to", "tiff"), ("merge", name, "--out", "out"),
        ):  # fmt: skip
            outcome = angiosim(*words)
            assert outcome.exit_code == 2, (words[0], outcome.stderr[-200:])


# --- links in folders ----------------------------------------------------------------------------


@pytest.fixture
def run(workplace: Path) -> Path:
    """The folder of a run that has ended, made without a model."""
    folder = RunFolder.create(Path("run"), "mine", 1)
    folder.write_scenario('format = 1\nextends = "rat_oral"\n')
    folder.write_manifest({"completed": True, "ended": "now", "seed": 1, "mcs": 3, "sessions": []})
    folder.write_frame(1, {"a": np.zeros(3)})
    folder.close()
    Path("run/checkpoint").mkdir()
    Path("run/checkpoint/000002.ckpt").write_text("mine")
    return Path("run")


@pytest.mark.parametrize(
    "name", ["frames", "checkpoint", "run.log", "manifest.json", "frames/000001.npz", "final.npz"]
)
def test_links_in_a_run_folder_are_refused(workplace: Path, run: Path, name: str) -> None:
    outside = workplace.parent / "outside"
    outside.mkdir()
    if (run / name).exists():
        shutil.move(run / name, outside / "it")
    (run / name).symlink_to(outside / "it")
    before = written(outside)
    scenario = load("rat_oral")
    for use in (
        lambda: RunFolder.reopen(run), lambda: sim.Result.open(run), lambda: read_manifest(run),
        lambda: branch_of(run, {}), lambda: compare(run, run), lambda: stored_run(run, scenario),
        lambda: RunFolder.clear(run),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"is a link|other files than those"):
            use()
    assert written(outside) == before


def test_links_as_default_folders_are_not_followed(workplace: Path, run: Path) -> None:
    scenario = load("rat_oral")
    outside = workplace.parent / "outside"
    run.rename(outside)
    Path("runs").mkdir()
    Path("runs/rat_oral-s1").symlink_to(outside)
    Path("runs/doses").symlink_to(outside)
    assert folder_to_resume(None, scenario) is None
    with RunFolder.create(None, "rat_oral", 1) as folder:
        assert folder.path == Path("runs/rat_oral-s1-2")
    with pytest.raises(FolderError, match="is a link"):
        default_folder("doses")
    Path("runs").rename("others")
    Path("runs").symlink_to("others")
    for make in (
        lambda: RunFolder.create(None, "a", 1), lambda: default_folder("b"),
        lambda: folder_to_resume(None, scenario),
    ):  # fmt: skip
        with pytest.raises(FolderError, match="is a link"):
            make()


@pytest.mark.parametrize("name", ["runs", "parents", "run.log"])
def test_links_in_a_study_folder_are_refused(workplace: Path, name: str) -> None:
    with hold(Path("out"), "study.toml", "a"):
        Ledger(Path("out/ledger.sqlite")).close()
        Path("out/study.toml").write_text('name = "a"\n')
    Path("out", name).symlink_to(workplace.parent)
    with pytest.raises(FolderError, match="is a link"), hold(Path("out"), "study.toml", "a"):
        pass
    Path("parent").symlink_to(workplace.parent)
    with pytest.raises(FolderError, match="is a link"):
        start_in(Path("parent"), load("tube_formation"), 10)


def test_names_of_scenarios_lead_nowhere(workplace: Path, angiosim: Callable[..., Any]) -> None:
    for name in ("../../x", "..", "/etc/x", "a/../../b", "~/x", "C:\\x"):
        outcome = angiosim("run", "tube_formation", "--set", f"name='{name}'")
        assert outcome.exit_code == 2, name
    for name in ("../../x", "..", "/etc/x", "~root", "x" * 5000, ".", "CON", "a\\b"):
        folder = default_folder(name)
        assert folder.parent == Path("runs")
        assert len(folder.name.encode()) <= 100
        assert folder.name not in ("", ".", "..")
    assert list(workplace.parent.rglob("*")) == [workplace]


# --- what folders hold ---------------------------------------------------------------------------


def checkpoint(folder: Path, about: object, arrays: bytes | None = None) -> Path:
    """A checkpoint with any content, and a checksum that is right."""
    if arrays is None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, a=np.zeros(10))
        arrays = buffer.getvalue()
    text = about if isinstance(about, str) else json.dumps(about)
    body = text.encode() + b"\n" + arrays
    path = folder / "000001.ckpt"
    path.write_bytes(f"angiosim checkpoint 1 {files.sha256(body)}\n".encode() + body)
    return path


ABOUT = {"mcs": 1, "version": "1", "scenario": "", "rows": {"mcs": [0, 1]}, "frames": {}}


@pytest.mark.parametrize(
    "about",
    [
        "[" * 100_000, '{"a":' * 100_000, "[]", "1", "null", "{}", "9" * 5000,
        *({**ABOUT, key: wrong} for key in ("mcs", "scenario", "rows", "frames")
          for wrong in ([["a"]], {"x": 1}, None)),
        {**ABOUT, "scenario": ".".join("a" * 20_000) + " = 1"},
        {**ABOUT, "scenario": "a = " + "[" * 5000}, {**ABOUT, "mcs": float("inf")},
        {**ABOUT, "rows": {"mcs": [0], "cells": [0, 1]}}, {**ABOUT, "rows": {"mcs": ["=1"]}},
    ],
    ids=range(24),
)  # fmt: skip
def test_checkpoints_with_evil_contents_are_refused(tmp_path: Path, about: object) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint of angiosim"):
        read_checkpoint(checkpoint(tmp_path, about))


def test_arrays_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(1_000_000))
    assert len(buffer.getvalue()) < 10_000
    path = checkpoint(tmp_path, ABOUT, buffer.getvalue())
    assert read_checkpoint(path).state["a"].size == 1_000_000
    with pytest.raises(CheckpointError, match="unpacks to more than 1 MB"):
        read_checkpoint(path, 1_000_000)
    with pytest.raises(CheckpointError, match="too large; must be at most 0 MB"):
        read_checkpoint(path, 1000)
    assert 2e8 < most_bytes(load("tube_formation")) < 1e9
    hours = {"time.duration_h": 8000, "time.record_every_h": "30 s", "cells.count": 40}
    long = load("chemotaxis", hours)
    row, places = 30 * 20, 40 * 8000 * 60 / long.readout.every_min
    assert most_bytes(long) > long.time.steps * row + 16 * places
    header = (
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr':'<f8','fortran_order':False,'shape':(10**9**9,)}"
    )
    for content in (header, b"", b"PK\x05\x06" + b"\0" * 18, buffer.getvalue()[:500]):
        with pytest.raises(ValueError, match="not valid arrays"):
            files.parse_npz(b"PK" + content)
    pickled = io.BytesIO()
    np.savez(pickled, a=np.array([os.getcwd], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="not valid arrays"):
        files.parse_npz(pickled.getvalue())


@pytest.mark.parametrize("name", ["000001.ckpt", "pipe", "zero"])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "000001.ckpt").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path / name)
    with pytest.raises(InputError):
        files.read_bytes(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", '{"seed": "a", "mcs": 1}', '{"seed": 1, "mcs": 1, "sessions": [3]}',
     '{"seed": 1, "mcs": 1, "libraries": ["\\u001b[2J"]}', "\x1b[2J", '{"seed": 1, "mcs": 1e999}',
     '{"completed": true, "parent": 3}',
     '{"completed": true, "sessions": [{"mcs": 1, "from_mcs": 0, "wall_s": {}, "libraries": 3}]}'],
    ids=range(9),
)  # fmt: skip
def test_manifests_with_evil_contents_are_refused(run: Path, text: str) -> None:
    (run / "manifest.json").write_text(text)
    for use in (sim.Result.open, read_manifest, lambda folder: branch_of(folder, {})):
        with pytest.raises(InputError, match=r"manifest\.json") as caught:
            use(run)
        assert str(caught.value).isprintable()


EVIL_LEDGERS = [
    "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM plan; END",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TABLE more (a)",
    "ALTER TABLE runs ADD COLUMN 'a) VALUES (1); --' TEXT",
    "DROP TABLE plan; CREATE VIEW plan AS WITH RECURSIVE n(run) AS (SELECT 1 UNION ALL"
    " SELECT run + 1 FROM n) SELECT run, 'a' AS key FROM n",
]
EVIL_ROWS = [
    ("parameters", "[" * 100_000), ("parameters", "[]"), ("parameters", b"\xff"),
    ("metrics", "[" * 100_000), ("metrics", '{"a": "=1"}'), ("metrics", '{"a": [1]}'),
    ("metrics", b"\x00"), ("status", "evil"), ("seconds", "a"), ("seconds", b"a"),
    ("stage", b"a"), ("error", b"a"), ("environment", b"a"), ("replicate", "a"), ("seed", 1.5),
]  # fmt: skip


def ledger_of(folder: Path) -> Path:
    """A study folder whose ledger has one planned run."""
    from sim.studies.file import plan_study

    folder.mkdir()
    plan = plan_study({"name": "a", "base": "tube_formation", "grid": {"drug.free_nM": [1]}})
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.plan(plan.runs, plan.text, plan.code)
    (folder / "study.toml").write_text(plan.text)
    return folder / "ledger.sqlite"


@pytest.mark.parametrize("evil", EVIL_LEDGERS, ids=range(len(EVIL_LEDGERS)))
def test_ledgers_with_other_tables_are_refused(tmp_path: Path, evil: str) -> None:
    path = ledger_of(tmp_path / "out")
    with closing(sqlite3.connect(path)) as file, file:
        file.executescript(evil)
    content = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(InputError, match=r"which no ledger has|is not that of ledger version"):
            Ledger(path, read_only=read_only)
    assert path.read_bytes() == content


@pytest.mark.parametrize(("column", "evil"), EVIL_ROWS, ids=range(len(EVIL_ROWS)))
def test_rows_with_evil_contents_count_as_damaged(
    workplace: Path, angiosim: Callable[..., Any], column: str, evil: object
) -> None:
    path = ledger_of(Path("out"))
    sim.Study.open("out")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        file.execute(f"UPDATE runs SET status = 'done', metrics = '{{}}', {column} = ?", (evil,))
        row = file.execute("SELECT * FROM runs").fetchone()
        file.execute("UPDATE runs SET checksum = ?", (checksum(row[:-1]),))
    with pytest.warns(LedgerWarning, match="rows were damaged"):
        study = sim.Study.open("out")
    assert study.count("planned") == 1
    outcome = angiosim("merge", "out", "--out", "merged")
    assert outcome.exit_code == 3, outcome.stderr
    assert "1 missing" in outcome.stderr


def test_a_study_text_with_evil_contents_is_refused(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    path = ledger_of(Path("out"))
    for evil in (
        "a = " + "[" * 5000,
        "base = 1\x1b",
        "\x1b",
        ".".join("a" * 9000) + " = 1",
        b"\xff",
    ):
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE about SET value = ? WHERE name = 'study'", (evil,))
            seal(file)
        with pytest.raises(InputError) as caught:
            sim.Study.open("out")
        assert all(line.isprintable() for line in str(caught.value).splitlines())
        outcome = angiosim("merge", "out", "--out", "merged")
        assert outcome.exit_code == 2, outcome.stderr


BRIEF = {"domain.size_um": [120, 120], "time.duration_h": 0.05}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("lattice", lambda a: a + 1000), ("lattice", lambda a: a - 1),
        ("lattice", lambda a: a[:-1]),
        ("lattice", lambda a: np.roll(a, 1) * 0), ("lattice", lambda a: a.astype(float)),
        ("cells.type", lambda a: a + 100), ("cells.type", lambda a: a - 5),
        ("cells.moments", lambda a: a[:-1]), ("fields.VEGF", lambda a: a[:5]),
        ("ids", lambda a: a[:1]), ("structure", lambda a: np.arange(3)),
    ],
)  # fmt: skip
def test_states_that_cannot_be_are_refused(name: str, spoil: Callable[[Any], Any]) -> None:
    model = sim.AngiogenesisModel(sim.load("tube_formation", BRIEF))
    state = model.state()
    with pytest.raises(CheckpointError, match="this state"):
        model.restore({**state, name: spoil(state[name])})
    model.restore(state)


def test_vessels_that_cannot_be_are_refused() -> None:
    nodes, tips = graph.new_nodes([0.0, 1.0], [0.0, 1.0]), graph.empty(graph.Tips)
    pieces = graph.new_pieces(1, [0], [1], 0.0, 0.0)
    graph.check(pieces, nodes, tips)
    for wrong in (
        {"a": np.array([2])}, {"b": np.array([-1])}, {"kind": np.array([7])}, {"age": np.zeros(3)},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"there are pieces|differ in length"):
            graph.check(pieces._replace(**wrong), nodes, tips)
