"""Damaged ledgers and study folders: nothing damaged is read as good, and there is a way out."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from marks import slow

from sim.errors import AngiosimError, FolderError, InputError, LedgerWarning
from sim.runs import environment as environments
from sim.studies import executors, worker
from sim.studies import ledger as ledgers
from sim.studies.file import plan_study
from sim.studies.ledger import Ledger
from sim.studies.merge import merge
from sim.studies.plan import Plan
from sim.studies.sweep import SweepOptions, sweep
from sim.studies.table import open_result
from sim.studies.task import DONE

ROOT = Path(__file__).parents[2]
STUDY: dict[str, Any] = {
    "name": "doses",
    "base": "tube_formation",
    "replicates": 3,
    "grid": {"drug.free_nM": [0, 1, 2, 4]},
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_study(STUDY)


@pytest.fixture(scope="module")
def undisturbed(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    sweep(plan, here(plan), folder)
    return folder


@pytest.fixture
def folder(undisturbed: Path, tmp_path: Path) -> Path:
    """The folder of a finished study, to damage."""
    return Path(shutil.copytree(undisturbed, tmp_path / "study"))


def here(plan: Plan) -> fake_runs.Here:
    return fake_runs.Here(plan, fake_runs.instant)


def alter(folder: Path, *statements: str) -> None:
    """Alter a ledger from outside, as any program can."""
    with closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as file:
        for statement in statements:
            file.execute(statement)


def key_of(plan: Plan, number: int) -> str:
    return plan.runs[number - 1].key


def truth(undisturbed: Path) -> dict[str, dict[str, Any]]:
    with Ledger(undisturbed / "ledger.sqlite", read_only=True) as ledger:
        return {key: entry.metrics for key, entry in ledger.entries().items()}


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "numbers"),
    [
        ("UPDATE runs SET metrics = replace(metrics, '.', '1.') WHERE key = '{0}'", {1}),
        ("UPDATE runs SET metrics = NULL WHERE key = '{0}'", {1}),
        ("UPDATE runs SET metrics = '[1' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET metrics = x'ff00' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET status = 'failed' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET status = 'planned' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET seed = seed + 1 WHERE key = '{0}'", {1}),
        ("UPDATE runs SET replicate = 2 WHERE key = '{0}'", {1}),
        ("UPDATE runs SET parameters = '{{}}' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET environment = 'another' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET checksum = '' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET key = 'another' WHERE key = '{0}'", {1}),
        ("UPDATE runs SET key = CAST(x'fffe' AS TEXT) WHERE key = '{0}'", {1}),
        ("DELETE FROM runs WHERE key = '{0}'", {1}),
        (
            "UPDATE runs SET metrics = (SELECT metrics FROM runs WHERE key = '{1}')"
            " WHERE key = '{0}'",
            {1},
        ),
        (
            "UPDATE runs SET (metrics, checksum) = (SELECT metrics, checksum FROM runs"
            " WHERE key = '{1}') WHERE key = '{0}'",
            {1},
        ),
        ("UPDATE runs SET seconds = seconds + 1", set(range(1, 13))),
    ],
)
def test_an_altered_row_is_run_again_and_named(
    plan: Plan, undisturbed: Path, folder: Path, statement: str, numbers: set[int]
) -> None:
    alter(folder, statement.format(key_of(plan, 1), key_of(plan, 2)))
    with pytest.warns(LedgerWarning, match=r"count as not done: .*run 1 \(drug.free_nM = 0, rep"):
        found = open_result(folder)
    assert found.count(DONE) == 12 - len(numbers)
    executor = here(plan)
    with pytest.warns(LedgerWarning, match=r"run 1 \(drug.free_nM = 0, replicate = 1\)"):
        sweep(plan, executor, folder)
    assert set(executor.made) == {key_of(plan, number) for number in numbers}
    assert (folder / "results.csv").read_bytes() == (undisturbed / "results.csv").read_bytes()
    assert (folder / "ledger.sqlite.damaged").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_result(folder).count(DONE) == 12


def test_an_unknown_status_is_run_again(plan: Plan, folder: Path) -> None:
    alter(
        folder,
        "PRAGMA ignore_check_constraints = 1",
        f"UPDATE runs SET status = 'Done' WHERE key = '{key_of(plan, 3)}'",
    )
    executor = here(plan)
    with pytest.warns(LedgerWarning, match="run 3 "):
        sweep(plan, executor, folder)
    assert executor.made == [key_of(plan, 3)]


# --- what was planned ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "again"),
    [
        ("DROP TABLE runs", 12),
        ("DROP TABLE plan", 0),
        ("DROP TABLE about", 0),
        ("DELETE FROM about", 0),
        ("DELETE FROM plan", 0),
        ("DELETE FROM plan WHERE run = 3", 0),
        ("UPDATE plan SET run = 100 - run", 0),
        ("UPDATE about SET value = replace(value, 'replicates = 3', 'replicates = 2')", 0),
        ("UPDATE about SET value = 'x' WHERE name = 'code'", 0),
    ],
)
def test_a_lost_or_altered_plan_is_named_and_written_again(
    plan: Plan, undisturbed: Path, folder: Path, statement: str, again: int
) -> None:
    alter(folder, statement)
    with pytest.raises(InputError, match=r"ledger.sqlite: .*start again in its folder to repair"):
        open_result(folder)
    executor = here(plan)
    with pytest.warns(LedgerWarning, match="was damaged and is repaired"):
        sweep(plan, executor, folder)
    assert len(executor.made) == again
    assert (folder / "results.csv").read_bytes() == (undisturbed / "results.csv").read_bytes()
    assert open_result(folder).count(DONE) == 12


@pytest.mark.parametrize("content", [None, b"", b"name = \xff", b"format = 1\n", b"not toml ["])
def test_a_lost_or_damaged_study_file_is_taken_from_the_ledger(
    plan: Plan, undisturbed: Path, folder: Path, content: bytes | None
) -> None:
    file = folder / "study.toml"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.warns(LedgerWarning, match=r"study.toml: .*angiosim sweep .* writes it again"):
        assert open_result(folder).count(DONE) == 12
    if content != b"format = 1\n":  # that may be a file of the user
        with pytest.warns(LedgerWarning, match=r"study.toml: .*read from ledger.sqlite instead"):
            assert plan_study(file).text == plan.text
    executor = here(plan)
    sweep(plan, executor, folder)
    assert executor.made == []
    assert file.read_bytes() == (undisturbed / "study.toml").read_bytes()


def test_the_ledger_of_another_study_is_refused(plan: Plan, folder: Path, tmp_path: Path) -> None:
    other = plan_study({**STUDY, "name": "others", "replicates": 1})
    sweep(other, here(other), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "ledger.sqlite", folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FolderError, match="is of the study 'others', not 'doses'; restore"):
        sweep(plan, here(plan), folder)
    with pytest.raises(InputError, match=r"is of the study 'others', and study.toml of 'doses'"):
        open_result(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_lost_ledger_and_a_ledger_of_nothing_known_say_what_to_do(
    plan: Plan, undisturbed: Path, folder: Path
) -> None:
    (folder / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(FolderError, match=r"whose ledger.sqlite is lost: restore that, or choose"):
        sweep(plan, here(plan), folder)
    shutil.copy(undisturbed / "ledger.sqlite", folder)
    (folder / "study.toml").unlink()
    alter(folder, "DELETE FROM about")
    with pytest.raises(FolderError, match=r"does not say what it was: restore one of them"):
        sweep(plan, here(plan), folder)
    shutil.copy(undisturbed / "study.toml", folder)
    executor = here(plan)
    with pytest.warns(LedgerWarning, match="is repaired"):
        sweep(plan, executor, folder)
    assert executor.made == []


def test_a_study_file_survives_the_loss_of_the_plan(plan: Plan, folder: Path) -> None:
    (folder / "study.toml").write_bytes(b"")
    alter(folder, "DROP TABLE plan")
    with pytest.warns(LedgerWarning, match="is empty; read from ledger"):
        assert plan_study(folder / "study.toml").text == plan.text


@pytest.mark.parametrize("content", [None, b"", b"run,drug.free_nM\n1,0\n"])
def test_a_lost_or_altered_table_is_named_and_written_again(
    plan: Plan, undisturbed: Path, folder: Path, content: bytes | None
) -> None:
    file = folder / "results.csv"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.warns(LedgerWarning, match=r"results.csv: is lost, or not as .* writes it again"):
        assert open_result(folder).count(DONE) == 12
    sweep(plan, here(plan), folder)
    assert file.read_bytes() == (undisturbed / "results.csv").read_bytes()


# --- whole files ---------------------------------------------------------------------------------


def flipped(data: bytes, dice: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(dice.choice((1, 1, 4, 30))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def pages_swapped(data: bytes, dice: random.Random) -> bytes:
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    one, other = dice.sample(range(len(pages)), 2)
    pages[one], pages[other] = pages[other], pages[one]
    return b"".join(pages)


def page_lost(data: bytes, dice: random.Random) -> bytes:
    at = 4096 * dice.randrange(len(data) // 4096)
    return data[:at] + bytes(4096) + data[at + 4096 :]


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [
    flipped,
    lambda data, dice: data[: dice.randrange(1, len(data))],
    pages_swapped,
    page_lost,
    flipped,
    lambda data, dice: data[: 4096 * dice.randrange(1, len(data) // 4096)],
]


@pytest.mark.parametrize("count", [12, slow(300)])
def test_no_damage_of_a_ledger_is_read_as_good(
    plan: Plan, undisturbed: Path, folder: Path, count: int
) -> None:
    whole, known = (undisturbed / "ledger.sqlite").read_bytes(), truth(undisturbed)
    outcomes = Counter[str]()
    for number in range(count):
        damage = DAMAGES[number % len(DAMAGES)]
        shutil.rmtree(folder)
        shutil.copytree(undisturbed, folder)
        (folder / "ledger.sqlite").write_bytes(damage(whole, random.Random(number)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = open_result(folder)
            except AngiosimError as error:
                assert "ledger.sqlite: " in str(error), error
                outcomes["reading refused"] += 1
            else:
                for run in found.runs:
                    entry = found.entries[run.key]
                    assert entry.status != DONE or repr(entry.metrics) == repr(known[run.key])
                outcomes["read"] += 1
            executor = here(plan)
            try:
                sweep(plan, executor, folder)
            except AngiosimError as error:
                assert "ledger" in str(error), error
                outcomes["resuming refused"] += 1
                continue
        table = (folder / "results.csv").read_bytes()
        assert table == (undisturbed / "results.csv").read_bytes()
        repaired = any("is repaired" in str(one.message) for one in caught)
        assert repaired or not executor.made
        outcomes["repaired" if repaired else "harmless"] += 1
        outcomes["runs made again"] += len(executor.made)
    print(f"\n{count} damaged ledgers: {dict(outcomes)}")
    assert outcomes["repaired"] > count / 10


# --- older versions ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_an_older_ledger_is_upgraded(version: str, tmp_path: Path) -> None:
    old = ROOT / "tests" / "compat" / version / "study" / "ledger.sqlite"
    shutil.copy(old, tmp_path)
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        entries, about, planned = ledger.entries(), ledger.about(), ledger.planned()
    assert (tmp_path / "ledger.sqlite").read_bytes() == old.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Ledger(tmp_path / "ledger.sqlite").close()
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        assert (ledger.entries(), ledger.about(), ledger.planned()) == (entries, about, planned)
    assert not (tmp_path / "ledger.sqlite.damaged").exists()
    alter(tmp_path, "UPDATE runs SET seconds = seconds + 1")
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        assert ledger.entries() == {}


def test_a_damaged_older_ledger_is_noticed_where_it_can_be(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "compat" / "0.2.0" / "study", tmp_path / "study")
    alter(tmp_path / "study", "UPDATE runs SET metrics = substr(metrics, 2)")
    with pytest.warns(LedgerWarning, match="rows were damaged"):
        assert open_result(tmp_path / "study").count(DONE) == 0
    alter(tmp_path / "study", "UPDATE about SET value = 'a = [' WHERE name = 'study'")
    with pytest.raises(InputError, match="what was planned is damaged"):
        open_result(tmp_path / "study")


def test_an_upgrade_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    old = ROOT / "tests" / "compat" / "0.1.0" / "study" / "ledger.sqlite"
    shutil.copy(old, tmp_path)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom sim import files\n"
        "from sim.studies.ledger import Ledger\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\nLedger(Path(sys.argv[1]))\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "ledger.sqlite")]
    killed = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "ledger.sqlite").read_bytes() == old.read_bytes()
    Ledger(tmp_path / "ledger.sqlite").close()


# --- what made a result --------------------------------------------------------------------------


def elsewhere(monkeypatch: pytest.MonkeyPatch, **other: str) -> None:
    """Go on as if other versions were installed, or on another machine."""
    found = {**environments.environment(), **other}
    for module in (environments, executors, worker):
        monkeypatch.setattr(module, "environment", lambda: found)


def test_runs_tell_what_made_them(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dict(environments.environment())
    assert {"angiosim", "numpy", "scipy", "numba", "llvmlite", "processor"} <= now.keys()
    assert open_result(folder).environments == [(now, 12)]
    elsewhere(monkeypatch, numpy="9.9")
    more = plan_study({**STUDY, "replicates": 4})
    words = f"numpy was {now['numpy']}, is 9.9; their last bits may differ"
    with pytest.warns(LedgerWarning, match=words):
        study = sweep(more, here(more), folder)
    assert study.environments == [(now, 12), ({**now, "numpy": "9.9"}, 4)]
    assert open_result(folder).environments == study.environments


def test_a_finished_study_is_analysed_again_without_a_warning(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, numpy="9.9")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sweep(plan, here(plan), folder, SweepOptions(strict=True))


def test_mixing_can_be_refused(plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = plan_study({**STUDY, "replicates": 4})
    elsewhere(monkeypatch, processor="abacus (features 0)")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"processor was .*, is abacus .*--strict refuses"):
        sweep(more, here(more), folder, SweepOptions(strict=True))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


class Cluster(fake_runs.Here):
    """Workers of several machines."""

    machines: tuple[str, ...] = ()

    def environments(self) -> list[Any]:
        return [{**environments.environment(), "processor": name} for name in self.machines]


def test_machines_of_a_cluster_are_those_that_count(plan: Plan, folder: Path) -> None:
    more = plan_study({**STUDY, "replicates": 4})
    cluster = Cluster(more, fake_runs.instant)
    cluster.machines = ("abacus", "soroban")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=r"processor was .*, is abacus and soroban\)"):
        sweep(more, cluster, folder, SweepOptions(strict=True))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(InputError, match=r"\(processor abacus and soroban\)"):
        sweep(more, cluster, folder.with_name("new"), SweepOptions(strict=True))
    assert not folder.with_name("new").exists()
    with pytest.warns(LedgerWarning, match="is abacus and soroban"):
        sweep(more, cluster, folder)


def test_a_machine_that_joins_later_is_reported(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(plan, here(plan), tmp_path / "study", SweepOptions(shard=(1, 2)))
    first, second = (environments.environment(), environments.environment() | {"numba": "9.9"})
    made = iter([first, first, *[second] * 20])
    monkeypatch.setattr(worker, "environment", lambda: next(made))
    with pytest.warns(LedgerWarning, match=r"numba .* and 9\.9"):
        sweep(plan, here(plan), tmp_path / "study")


def test_merging_reports_what_differs(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(plan, here(plan), tmp_path / "a", SweepOptions(shard=(1, 2)))
    elsewhere(monkeypatch, scipy="9.9")
    sweep(plan, here(plan), tmp_path / "b", SweepOptions(shard=(2, 2)))
    folders = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(InputError, match=r"scipy .*9\.9.*--strict refuses"):
        merge(folders, tmp_path / "whole", strict=True)
    assert not (tmp_path / "whole").exists()
    with pytest.warns(LedgerWarning, match="different versions or processors: scipy"):
        whole = merge(folders, tmp_path / "whole")
    assert [number for _, number in whole.environments] == [6, 6]
    assert {one["scipy"] for one, _ in open_result(tmp_path / "whole").environments} > {"9.9"}


def test_an_altered_environment_is_not_known(plan: Plan, folder: Path) -> None:
    alter(folder, "UPDATE environments SET content = replace(content, 'numpy', 'numpi')")
    assert open_result(folder).environments == [({}, 12)]
    more = plan_study({**STUDY, "replicates": 4})
    with pytest.warns(LedgerWarning, match="of some it was not recorded"):
        sweep(more, here(more), folder)


def test_only_what_cannot_be_read_is_taken_as_lost(folder: Path) -> None:
    """A ledger that another process has locked loses no row."""
    with closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        connect = sqlite3.connect
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                ledgers.sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0})
            )
            with pytest.raises(AngiosimError, match="database is locked"):
                Ledger(folder / "ledger.sqlite")
        other.execute("ROLLBACK")
    assert open_result(folder).count(DONE) == 12
