"""The runner of studies: resuming, failing, stopping, sharing; with runs that take no time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_runs
import pandas as pd
import pytest
from marks import slow
from processes import children_of, is_alive

import sim
from sim import files
from sim.analysis.analyse import Analysis, analyse
from sim.errors import AngiosimError, FolderError, InputError
from sim.kernels.threads import processors
from sim.runs.estimate import START_S, estimate
from sim.scenario.resolve import load
from sim.studies import table as results
from sim.studies.executors import Dask, Pool
from sim.studies.file import plan_study
from sim.studies.folder import default_folder, hold
from sim.studies.forecast import forecast
from sim.studies.ledger import Entry, Ledger
from sim.studies.merge import merge
from sim.studies.plan import Plan
from sim.studies.sweep import Counts, SweepOptions, parse_shard, sweep
from sim.studies.table import Study, open_result
from sim.studies.task import Outcome, Task
from sim.studies.worker import Run, attempt
from sim.view.progress import show_study, words

ROOT = Path(__file__).parents[2]
STUDY: dict[str, Any] = {
    "name": "doses",
    "base": "tube_formation",
    "replicates": 3,
    "grid": {"drug.free_nM": [0, 1, 2, 4, 8]},
    "group": {"way": [{"name": "plain"}, {"name": "dense", "set": {"cells.count": 300}}]},
}


class Here(fake_runs.Here):
    """Makes runs in this process, and notes which."""

    def __init__(self, plan: Plan, run: Run = fake_runs.instant, stop_after: int = 10**9) -> None:
        super().__init__(plan, run, stop_after)


@pytest.fixture
def plan() -> Plan:
    return plan_study(STUDY)


@pytest.fixture
def table(plan: Plan, tmp_path: Path) -> bytes:
    """results.csv of a study that nothing happened to."""
    sweep(plan, Here(plan), tmp_path / "undisturbed")
    return (tmp_path / "undisturbed" / "results.csv").read_bytes()


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- the same results, whichever way -------------------------------------------------------------


def test_the_table_is_tidy_and_exact(plan: Plan, tmp_path: Path) -> None:
    study = sweep(plan, Here(plan), tmp_path / "study")
    table = pd.read_csv(tmp_path / "study" / "results.csv")
    assert list(table) == [
        "run", "way", "drug.free_nM", "replicate", "seed", "status",
        "tube_length_mm", "meshes", "mean_drive",
    ]  # fmt: skip
    assert len(table) == len(plan.runs) == 30
    assert table["run"].tolist() == list(range(1, 31))
    assert (table["status"] == "done").all()
    for run, length in zip(plan.runs, table["tube_length_mm"], strict=True):
        task = Task(run.key, run.settings, run.seed)
        assert length == fake_runs.instant({}, task)["tube_length_mm"]
    pd.testing.assert_frame_equal(study.results, table, check_exact=True)
    pd.testing.assert_frame_equal(open_result(tmp_path / "study").results, table, check_exact=True)
    assert set(everything(tmp_path / "study")) - {"results.parquet"} == {
        "ledger.sqlite", "results.csv", "study.toml",
    }  # fmt: skip
    assert not any(word in study.results.columns for word in ("host", "seconds", "time"))


def test_parquet_holds_the_same(plan: Plan, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    study = sweep(plan, Here(plan), tmp_path)
    found = pd.read_parquet(tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(found, study.results, check_exact=True)


def test_without_pyarrow_there_is_only_the_csv(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "find_spec", lambda name: None)
    sweep(plan, Here(plan), tmp_path)
    assert everything(tmp_path) == ["ledger.sqlite", "results.csv", "study.toml"]


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_give_the_same_bytes(
    plan: Plan, table: bytes, tmp_path: Path, workers: int
) -> None:
    with closing(Pool(plan.base, workers, fake_runs.instant)) as pool:
        sweep(plan, pool, tmp_path / "study")
    assert (tmp_path / "study" / "results.csv").read_bytes() == table


def test_merged_shards_give_the_same_bytes(plan: Plan, table: bytes, tmp_path: Path) -> None:
    folders = [tmp_path / f"shard{i}" for i in (3, 1, 2)]
    for i, folder in zip((3, 1, 2), folders, strict=True):
        study = sweep(plan, Here(plan), folder, SweepOptions(shard=(i, 3)))
        assert len(study.runs) == 10
        assert len(open_result(folder).runs) == 30  # the whole plan, most of it still planned
        assert open_result(folder).count("done") == 10
    whole = merge(folders, tmp_path / "whole")
    assert whole.count("done") == 30
    assert (tmp_path / "whole" / "results.csv").read_bytes() == table
    again = Here(plan)
    sweep(plan, again, tmp_path / "whole")
    assert not again.made


@pytest.mark.timeout(120)
def test_a_dask_cluster_gives_the_same_bytes(plan: Plan, table: bytes, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None,
            host="127.0.0.1", protocol="tcp://",
        ) as cluster,
        closing(Dask(plan.base, cluster.scheduler_address, fake_runs.instant)) as executor,
    ):  # fmt: skip
        sweep(plan, executor, tmp_path / "study")
    assert (tmp_path / "study" / "results.csv").read_bytes() == table


def test_a_missing_scheduler_is_reported(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("sim.studies.executors.SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        sim.sweep(STUDY, tmp_path / "study", scheduler="tcp://127.0.0.1:1")
    assert not (tmp_path / "study").exists()


def test_without_a_folder_nothing_is_written(plan: Plan, workplace: Path) -> None:
    assert sweep(plan, Here(plan)).count("done") == 30
    assert everything(workplace) == []


# --- going on ------------------------------------------------------------------------------------


def test_a_stopped_study_resumes_where_it_was(plan: Plan, table: bytes, tmp_path: Path) -> None:
    first = Here(plan, stop_after=7)
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, first, tmp_path / "study")
    halfway = pd.read_csv(tmp_path / "study" / "results.csv")
    assert (halfway["status"] == "done").sum() == 7
    assert (halfway["status"] == "planned").sum() == 23
    second = Here(plan)
    sweep(plan, second, tmp_path / "study")
    assert not set(first.made) & set(second.made)
    assert len(second.made) == 23
    assert (tmp_path / "study" / "results.csv").read_bytes() == table


def test_only_what_was_added_or_changed_is_run(tmp_path: Path) -> None:
    def made(tree: dict[str, Any]) -> int:
        plan = plan_study(tree)
        here = Here(plan)
        study = sweep(plan, here, tmp_path / "study")
        assert study.count("done") == len(plan.runs)
        assert len(pd.read_csv(tmp_path / "study" / "results.csv")) == len(plan.runs)
        return len(here.made)

    assert made(STUDY) == 30
    assert made(STUDY) == 0
    assert made({**STUDY, "grid": {"drug.free_nM": [0, 0.5, 1, 2, 4, 8]}}) == 6
    assert made({**STUDY, "replicates": 4}) == 10
    assert made({**STUDY, "set": {"record.frames": True}}) == 0
    assert made({**STUDY, "set": {"time.duration_h": 1}}) == 30
    assert made({**STUDY, "seed": 2}) == 30
    assert made(STUDY) == 0  # what was made before is still known


def test_a_changed_base_file_reruns_the_runs_it_touches(tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text('extends = "tube_formation"\n[time]\nduration_h = 1\n')
    file = tmp_path / "study.toml"
    file.write_text(
        'base = "base.toml"\nreplicates = 2\n[[group.length]]\nname = "base"\n'
        '[[group.length]]\nname = "own"\nset = {"time.duration_h" = 2}\n'
    )

    def made() -> list[str]:
        plan = plan_study(file)
        here = Here(plan)
        sweep(plan, here, tmp_path / "out")
        names = {run.key: run.group["length"] for run in plan.runs}
        return sorted(names[key] for key in here.made)

    assert made() == ["base", "base", "own", "own"]
    base.write_text(base.read_text().replace("= 1", "= 1.5"))
    assert made() == ["base", "base"]
    base.write_text(f"# a remark\n{base.read_text()}")
    assert made() == []


def test_changed_code_reruns_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_study(STUDY)
    sweep(plan, Here(plan), tmp_path / "study")
    monkeypatch.setattr("sim.studies.file.code_hash", lambda _: "another")
    plan = plan_study(STUDY)
    assert open_result(tmp_path / "study").count("done") == 30  # as it was made
    here = Here(plan)
    sweep(plan, here, tmp_path / "study")
    assert len(here.made) == 30


def test_shards_of_different_versions_are_not_merged(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(plan, Here(plan), tmp_path / "a", SweepOptions(shard=(1, 2)))
    other = replace(plan, code="another")
    sweep(other, Here(plan), tmp_path / "b", SweepOptions(shard=(2, 2)))
    with pytest.raises(InputError, match="from another angiosim version"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_a_folder_stopped_before_its_plan_is_started_afresh(plan: Plan, tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite").close()
    with pytest.raises(InputError, match="start it again"):
        open_result(tmp_path)
    assert sweep(plan, Here(plan), tmp_path).count("done") == 30


# --- failing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_runs_that_fail_stop_nothing(plan: Plan, tmp_path: Path, workers: int) -> None:
    run = fake_runs.failing
    with closing(Pool(plan.base, workers, run) if workers else Here(plan, run)) as executor:
        study = sweep(plan, executor, tmp_path / "study")
    assert study.count("done") == 12
    reasons = {(f.run.parameters["drug.free_nM"], f.stage): f.error for f in study.failures}
    assert reasons == {
        (1, "set-up"): "ValueError: no room",
        (2, "run"): "FloatingPointError: not finite",
        (4, "read-out"): "TypeError: a read-out must be a number, not 'many'",
    }
    assert all("Traceback" in failure.traceback for failure in study.failures)
    table = pd.read_csv(tmp_path / "study" / "results.csv")
    failed = table["drug.free_nM"].isin([1, 2, 4])
    assert (table["status"] == failed.map({True: "failed", False: "done"})).all()
    assert (table["meshes"].isna() == failed).all()


def test_failed_runs_are_rerun_when_asked(plan: Plan, table: bytes, tmp_path: Path) -> None:
    sweep(plan, Here(plan, fake_runs.failing), tmp_path / "study")
    same = Here(plan)
    sweep(plan, same, tmp_path / "study")
    assert same.made == []
    mended = Here(plan)
    study = sweep(plan, mended, tmp_path / "study", SweepOptions(retry_failed=True))
    assert len(mended.made) == 18
    assert study.failures == []
    assert (tmp_path / "study" / "results.csv").read_bytes() == table


def test_a_worker_that_dies_is_replaced_and_its_run_repeated(tmp_path: Path) -> None:
    plan = plan_study({**STUDY, "base": {"extends": "tube_formation"}})
    base = {**plan.base, "notes": str(tmp_path)}
    with closing(Pool(base, 2, fake_runs.dying_once)) as pool:
        assert sweep(plan, pool).count("done") == 30


@pytest.mark.slow
def test_a_run_that_kills_its_workers_is_given_up(plan: Plan, tmp_path: Path) -> None:
    with closing(Pool(plan.base, 2, fake_runs.dying)) as pool:
        study = sweep(plan, pool, tmp_path / "study")
    assert study.count("done") == 24
    assert {(f.stage, f.run.parameters["drug.free_nM"]) for f in study.failures} == {("worker", 1)}
    assert "killed by signal 9" in study.failures[0].error
    here = Here(plan)  # a dead process says nothing about the run: it is tried without being asked
    assert sweep(plan, here, tmp_path / "study").failures == []
    assert len(here.made) == 6


@pytest.mark.parametrize("workers", [0, 2])
def test_machine_errors_do_not_count_against_runs(
    plan: Plan, table: bytes, tmp_path: Path, workers: int
) -> None:
    run = fake_runs.hindered
    with closing(Pool(plan.base, workers, run) if workers else Here(plan, run)) as executor:
        study = sweep(plan, executor, tmp_path / "study")  # each once: it does not go on for ever
    assert study.count("done") == 6
    assert {(f.run.parameters["drug.free_nM"], f.stage, f.error) for f in study.failures} == {
        (1, "worker", "OSError: [Errno 28] No space left on device"),
        (2, "worker", "MemoryError: cannot allocate"),
        (4, "worker", "ModuleNotFoundError: No module named 'mesa'"),
        (8, "worker", "runs/x: cannot write there"),
    }
    here = Here(plan)
    sweep(plan, here, tmp_path / "study")  # without being asked
    assert len(here.made) == 24
    assert (tmp_path / "study" / "results.csv").read_bytes() == table


def test_an_error_without_text_is_reported(plan: Plan, tmp_path: Path) -> None:
    study = sweep(plan, Here(plan, fake_runs.no_text), tmp_path / "study")
    assert study.failures[0].error == "ValueError: a\\udcffb\0c"
    assert study.count("failed") == 30


def test_a_finished_run_is_never_overwritten(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, Here(plan), tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        before = ledger.entries()
        ledger.record([Outcome(plan.runs[0].key, None, "run", "late"),
                       Outcome(plan.runs[1].key, {"meshes": 1})])  # fmt: skip
        assert ledger.entries() == before


def test_workers_that_cannot_start(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.studies.executors.serve", os.abort)
    with closing(Pool(plan.base, 1)) as pool, pytest.raises(AngiosimError, match="before they are"):
        sweep(plan, pool)


# --- stopping and killing ------------------------------------------------------------------------


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(
        'name = "doses"\nbase = "tube_formation"\nreplicates = 20\n[grid]\n'
        '"drug.free_nM" = [0, 1, 2, 4]\n'
    )
    return file


def start(file: Path, out: Path, run: str, workers: int = 2, *more: object) -> Any:
    words = [ROOT / "tests" / "study_script.py", file, out, run, workers, *more]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": paths, "EXECUTIONS": f"{out}.executions"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def some_done(out: Path) -> bool:
    try:
        return open_result(out).count("done") > 0
    except (InputError, AngiosimError, OSError):
        return False


def kill_and_resume(file: Path, out: Path, kills: int, seed: int) -> int:
    """Kill runner or worker at random moments, until the study is done; return the kills made.

    No run that was finished at a start is made again, and each kill costs two runs at most: those
    that two workers were making.
    """
    import random

    chance, made = random.Random(seed), 0
    executions = Path(f"{out}.executions")
    executions.touch()
    while True:
        begun = executions.read_text().split()
        finished = keys_done(out)
        process = start(file, out, "counted")
        while made < kills:
            try:
                process.wait(chance.uniform(0.05, 1.0))
                break
            except subprocess.TimeoutExpired:
                pass
            workers = children_of(process.pid)
            victim = chance.choice([process.pid, *workers])
            os.kill(victim, signal.SIGKILL)
            made += 1
            if victim == process.pid:
                process.wait()
                until(lambda: not any(map(is_alive, workers)), 10)  # noqa: B023
                break
        if made == kills or process.poll() == 0:
            _, errors = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL), errors
        else:
            process.communicate()
        now = executions.read_text().split()
        assert not finished & {*now[len(begun) :]}
        if process.returncode == 0:
            assert len(now) <= 80 + 2 * made
            return made


def keys_done(out: Path) -> set[str]:
    try:
        with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
            return {key for key, entry in ledger.entries().items() if entry.status == "done"}
    except (InputError, AngiosimError):  # none yet
        return set()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@needs_proc
@pytest.mark.parametrize("kills", [2, slow(60)])
def test_kills_at_random_moments_lose_and_double_nothing(
    study_file: Path, tmp_path: Path, kills: int
) -> None:
    plan = plan_study(study_file)
    sweep(plan, Here(plan), tmp_path / "undisturbed")
    made = 0
    for seed in range(100):  # a study may be done before it has been killed often enough
        out = tmp_path / f"study{seed}"
        made += kill_and_resume(study_file, out, kills - made, seed)
        found = (out / "results.csv").read_bytes()
        assert found == (tmp_path / "undisturbed" / "results.csv").read_bytes()
        assert not [name for name in everything(out) if name.endswith((".tmp", "-journal"))]
        if made >= kills:
            return


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_keeps_what_has_finished(
    study_file: Path, workplace: Path, signum: int, code: int, monkeypatch: pytest.MonkeyPatch,
    angiosim: Callable[..., Any],
) -> None:  # fmt: skip
    from sim import api

    made = []

    def stopped(plan: Plan, out: Path, options: SweepOptions, progress: Any) -> Study:
        here = Here(plan)

        def after_five(counts: Counts) -> None:
            made.append(counts)
            if counts.done == 5:
                os.kill(os.getpid(), signum)
            progress(counts)

        return sweep(plan, here, out, options, progress=after_five)

    monkeypatch.setattr(api, "sweep_plan", stopped)
    done = angiosim("sweep", study_file, "--out", "study", "--quiet")
    assert done.exit_code == code
    assert "finished runs are in study" in done.stderr
    assert open_result(Path("study")).count("done") == 5


@needs_proc
def test_workers_leave_when_their_parent_is_killed_in_the_middle_of_a_run(
    study_file: Path, tmp_path: Path
) -> None:
    process = start(study_file, tmp_path / "study", "endless")
    until(lambda: len(children_of(process.pid)) >= 2)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(map(is_alive, workers)), 10)


# --- one folder ----------------------------------------------------------------------------------


def test_two_runners_cannot_share_a_folder(study_file: Path, tmp_path: Path, plan: Plan) -> None:
    process = start(study_file, tmp_path / "study", "slow")
    try:
        until(lambda: some_done(tmp_path / "study"))
        with pytest.raises(FolderError, match=rf"another angiosim.*process {process.pid} on"):
            sweep(plan_study(study_file), Here(plan), tmp_path / "study")
    finally:
        process.kill()
        process.communicate()
    study = sweep(plan_study(study_file), Here(plan), tmp_path / "study")
    assert study.count("done") == 80


def test_a_lock_left_behind_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("angiosim: process 1 on elsewhere, writing 0123abcd\n")
    litter = tmp_path / ".study.toml.0123abcd89ab4567.tmp"
    others = [tmp_path / ".study.toml.89abcdef01234567.tmp", tmp_path / ".mine.tmp"]
    for path in (litter, *others):
        path.touch()
    with files.locked(lock):
        assert not litter.exists()
        assert all(path.exists() for path in others)
        assert str(os.getpid()) in lock.read_text()
        with pytest.raises(FolderError, match="another angiosim"), files.locked(lock):
            pass
    assert not lock.exists()
    with files.locked(lock):
        pass


def test_a_folder_with_something_else_in_it_is_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("precious")
    with pytest.raises(FolderError, match="not empty and not that of a study"):
        sweep(plan, Here(plan), tmp_path)
    assert everything(tmp_path) == ["precious.txt"]
    sweep(plan, Here(plan), tmp_path / "study")
    before = {path: path.read_bytes() for path in (tmp_path / "study").iterdir()}
    other = plan_study({**STUDY, "name": "other"})
    with pytest.raises(FolderError, match="contains the study 'doses', not 'other'"):
        sweep(other, Here(other), tmp_path / "study")
    assert {path: path.read_bytes() for path in (tmp_path / "study").iterdir()} == before


def test_another_study_of_the_same_name_is_refused(plan: Plan, tmp_path: Path) -> None:
    """Base, doses, arms, what is swept: each may change; all at once is another study."""
    sweep(plan, Here(plan), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    other = {**STUDY, "base": "tube_formation_pdgf_bb", "grid": {"time.duration_h": [1, 2]}}
    with pytest.raises(FolderError, match="contains a different study also called 'doses'"):
        sweep(plan_study(other), Here(plan), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    moved = {**STUDY, "set": {"cells.count": 300}}  # what was an arm is a setting of all now
    del moved["group"]
    here = Here(plan)
    sweep(plan_study(moved), here, tmp_path)
    assert here.made == []


def test_a_shard_in_the_folder_of_the_whole_study_keeps_all_rows(
    plan: Plan, table: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    sweep(plan, Here(plan), out)
    assert len(sweep(plan, Here(plan), out, SweepOptions(shard=(2, 3))).runs) == 10
    assert (out / "results.csv").read_bytes() == table
    for i in (2, 1, 3):
        sweep(plan, Here(plan), tmp_path / "one", SweepOptions(shard=(i, 3)))
    assert (tmp_path / "one" / "results.csv").read_bytes() == table


def test_arms_that_are_the_same_run_keep_their_names(tmp_path: Path) -> None:
    """Two arms without a difference are one run in two rows; renaming an arm makes nothing."""
    arms = [{"name": "one"}, {"name": "two"}]
    for first in ("one", "uno"):
        arms[0]["name"] = first
        plan = plan_study({**STUDY, "group": {"way": arms}})
        here = Here(plan)
        sweep(plan, here, tmp_path)
        assert len(here.made) == (15 if first == "one" else 0)
        for found in (open_result(tmp_path).results, pd.read_csv(tmp_path / "results.csv")):
            assert found["way"].tolist() == [first] * 15 + ["two"] * 15
            assert (found["status"] == "done").all()


def test_rows_have_the_points_that_they_were_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another SciPy may draw others: a folder shows and merges those that were drawn."""
    from sim.studies import sampling

    ranges = {"drug.free_nM": [0.1, 10]}
    tree = {"name": "points", "base": "tube_formation",
            "sample": {"method": "lhs", "n": 8, "ranges": ranges}}  # fmt: skip
    plan = plan_study(tree)
    sweep(plan, Here(plan), tmp_path / "a", SweepOptions(shard=(1, 2)))
    sweep(plan, Here(plan), tmp_path / "b", SweepOptions(shard=(2, 2)))
    drawn = [run.parameters["drug.free_nM"] for run in plan.runs]
    draw = sampling.METHODS["lhs"]
    monkeypatch.setitem(sampling.METHODS, "lhs", lambda sample: draw(sample) / 2)  # type: ignore[index]
    assert open_result(tmp_path / "a").results["drug.free_nM"].tolist() == drawn
    whole = merge([tmp_path / "a"], tmp_path / "whole")
    assert whole.results["drug.free_nM"].tolist() == drawn
    here = Here(plan)
    sweep(plan_study(tmp_path / "whole" / "study.toml"), here, tmp_path / "whole")
    assert len(here.made) == 4
    merge([tmp_path / "b"], tmp_path / "whole")
    lengths = open_result(tmp_path / "whole").results["tube_length_mm"]
    for run, length in zip(plan.runs, lengths, strict=True):
        task = Task(run.key, run.settings, run.seed)
        assert length == fake_runs.instant({}, task)["tube_length_mm"]
    # a folder without points, as earlier versions left it
    with Ledger(tmp_path / "a" / "ledger.sqlite") as ledger:
        text = re.sub(r"(?s)points = \[.*?\n\]\n", "", ledger.about()["study"])
        ledger.plan(plan.runs, text, "code")
    with pytest.raises(InputError, match="cannot be matched here"):
        open_result(tmp_path / "a")


def test_files_of_others_in_a_folder_are_kept(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / ".theirs.tmp").write_text("precious")
    with pytest.raises(FolderError, match="not empty and not that of a study"):
        sweep(plan, Here(plan), tmp_path)
    assert everything(tmp_path) == [".theirs.tmp"]


def test_a_study_killed_while_writing_its_first_file_is_resumed(plan: Plan, tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite").close()
    (tmp_path / "study.lock").write_text("angiosim: process 1 on here, writing 0123abcd\n")
    (tmp_path / ".study.toml.0123abcd89ab4567.tmp").write_text("half")
    assert sweep(plan, Here(plan), tmp_path).count("done") == 30
    assert not list(tmp_path.glob(".*"))


def test_what_is_read_at_once_is_of_one_moment(plan: Plan, tmp_path: Path) -> None:
    """A study that is planned anew meanwhile cannot give old keys new names."""
    sweep(plan, Here(plan), tmp_path)
    more = plan_study({**STUDY, "replicates": 4})
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        with ledger.read_transaction():
            assert len(ledger.planned()) == 30

            def plan_anew() -> None:
                with Ledger(tmp_path / "ledger.sqlite") as other:
                    other.plan(more.runs, more.text, "code")

            writer = threading.Thread(target=plan_anew)
            writer.start()
            time.sleep(0.3)
            assert ledger.about()["study"] == plan.text
        writer.join()
        assert ledger.about()["study"] == more.text
        assert len(ledger.planned()) == 40


def test_a_study_of_an_unsupported_version_says_what_to_do(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, Here(plan), tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.plan(plan.runs, plan.text.replace("[base.cells]", "[base.sells]"), "code")
    with pytest.raises(InputError, match=r"(?s)planned with angiosim .*read results.csv.*sells"):
        open_result(tmp_path)


def test_a_folder_that_cannot_be_written(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="cannot write there"):
        sweep(plan, Here(plan), tmp_path / "file" / "study")
    assert everything(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(FolderError, match="permission denied"):
        sweep(plan, Here(plan), tmp_path / "closed" / "study")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("PRAGMA user_version = 3", "newer angiosim .ledger version 3; this one reads 2"),
        ("PRAGMA user_version = 1", "table of runs is not that of ledger version 1"),
        ("PRAGMA user_version = 0", "older angiosim .ledger version 0"),
        ("PRAGMA application_id = 5", "not the ledger of a study"),
    ],
)
def test_a_ledger_of_another_version_is_refused_and_kept(
    plan: Plan, tmp_path: Path, statement: str, words: str
) -> None:
    sweep(plan, Here(plan), tmp_path)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as file:
        file.execute(statement)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for look in (lambda: sweep(plan, Here(plan), tmp_path), lambda: open_result(tmp_path)):
        with pytest.raises(InputError, match=words):
            look()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_damaged_ledger_is_named(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, Here(plan), tmp_path)
    (tmp_path / "ledger.sqlite").write_bytes(b"no database, but long enough to look at" * 100)
    with pytest.raises(InputError, match="damaged or not a ledger"):
        sweep(plan, Here(plan), tmp_path)


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "tests" / "compat").iterdir()))
def test_studies_of_older_versions_still_open(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "compat" / name / "study", tmp_path / "study")
    table = (tmp_path / "study" / "results.csv").read_bytes()
    found = open_result(tmp_path / "study")
    assert found.count("done") == len(found.plan.runs) > 0
    written = pd.read_csv(tmp_path / "study" / "results.csv")
    pd.testing.assert_frame_equal(found.results, written, check_exact=True)
    whole = merge([tmp_path / "study"], tmp_path / "merged")
    assert whole.count("done") == len(found.plan.runs)
    assert (tmp_path / "merged" / "results.csv").read_bytes() == table
    study = plan_study(tmp_path / "study" / "study.toml")
    here = Here(study)
    sweep(study, here, tmp_path / "study")
    assert len(here.made) == len(study.runs)  # the code has changed since
    assert open_result(tmp_path / "study").count("done") == len(study.runs)


@pytest.mark.parametrize("limit", [slow(4096), 12_000, slow(20_000)])
def test_a_full_disk_keeps_what_has_finished(
    study_file: Path, tmp_path: Path, table: bytes, limit: int
) -> None:
    out = tmp_path / "study"
    many = study_file.read_text().replace("= 20", "= 200")
    study_file.write_text(many)
    process = start(study_file, out, "instant", 1, limit)
    _, errors = process.communicate(timeout=60)
    assert process.returncode not in (0, -9)
    assert "free some space" in errors or "too large" in errors, errors
    assert not [name for name in everything(out) if name.endswith(".tmp")] if out.exists() else True
    study = sweep(plan_study(study_file), Here(plan_study(study_file)), out)
    assert study.count("done") == 800


def test_a_write_that_fails_at_any_moment_loses_nothing(
    plan: Plan, table: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th outcome cannot be written; the study goes on from there later."""
    real = Ledger.record
    for failing in (0, 1, 13, 29):
        calls = 0

        def record(self: Ledger, outcomes: Any, failing: int = failing) -> None:
            nonlocal calls
            calls += 1
            if calls > failing:
                with self._plain_errors():
                    raise sqlite3.OperationalError("database or disk is full")
            real(self, outcomes)

        out = tmp_path / f"study{failing}"
        monkeypatch.setattr(Ledger, "record", record)
        with pytest.raises(AngiosimError, match="full; all finished runs are kept") as caught:
            sweep(plan, Here(plan), out)
        assert caught.value.exit_code == 4
        monkeypatch.setattr(Ledger, "record", real)
        assert open_result(out).count("done") == failing
        here = Here(plan)
        sweep(plan, here, out)
        assert len(here.made) == 30 - failing
        assert (out / "results.csv").read_bytes() == table


# --- merging -------------------------------------------------------------------------------------


def test_shards_of_different_studies_are_not_merged(plan: Plan, tmp_path: Path) -> None:
    other = plan_study({**STUDY, "replicates": 2})
    sweep(plan, Here(plan), tmp_path / "a", SweepOptions(shard=(1, 2)))
    sweep(other, Here(other), tmp_path / "b", SweepOptions(shard=(2, 2)))
    with pytest.raises(InputError, match="is another study than"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "whole")
    with pytest.raises(InputError, match="not a study folder"):
        merge([tmp_path / "a", tmp_path / "c"], tmp_path / "whole")
    before = {path: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    with pytest.raises(FolderError, match="contains another study"):
        merge([tmp_path / "a"], tmp_path / "b")
    assert {path: path.read_bytes() for path in (tmp_path / "b").iterdir()} == before
    assert not (tmp_path / "whole").exists()


@pytest.mark.parametrize("moment", [*map(slow, ("plan", "write_results", "analyse")), "take_over"])
def test_a_merge_that_was_killed_is_repeated(
    plan: Plan, table: bytes, tmp_path: Path, moment: str
) -> None:
    folders = [tmp_path / f"shard{i}" for i in (1, 2)]
    for i, folder in enumerate(folders, 1):
        sweep(plan, Here(plan), folder, SweepOptions(shard=(i, 2)))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom sim.studies import merge, sweep\n"
        "from sim.studies.ledger import Ledger\n"
        "def kill(self, *_):\n"
        "    if getattr(self, 'path', True): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, *_)\n"
        f"owner = next((o for o in (Ledger, sweep) if hasattr(o, {moment!r})), None)\n"
        f"if owner: real = getattr(owner, {moment!r}); setattr(owner, {moment!r}, kill)\n"
        "*folders, out = map(Path, sys.argv[1:])\n"
        "merge.merge(folders, out, analyse=None if owner else kill)\n"
    )
    whole = tmp_path / "whole"
    words = [sys.executable, "-c", script, *map(str, folders), str(whole)]
    killed = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (whole / "ledger.sqlite").exists()
    assert merge(folders, whole).count("done") == 30
    assert (whole / "results.csv").read_bytes() == table
    assert merge(folders, whole).count("done") == 30


def test_different_results_of_one_run_are_not_merged(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, Here(plan), tmp_path / "a")

    def other(base: Any, task: Task) -> dict[str, float]:
        return {"tube_length_mm": 1.0}

    sweep(plan, Here(plan, other), tmp_path / "b", SweepOptions(shard=(1, 30)))
    with pytest.raises(AngiosimError, match=r"its result of run .* differs"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_done_replaces_failed_and_missing_runs_stay_planned(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, Here(plan, fake_runs.failing), tmp_path / "a", SweepOptions(shard=(1, 2)))
    sweep(plan, Here(plan), tmp_path / "b", SweepOptions(shard=(1, 2)))
    for order in (["a", "b"], ["b", "a"]):
        out = tmp_path / "".join(order)
        study = merge([tmp_path / name for name in order], out)
        assert (study.count("done"), study.count("planned")) == (15, 15)
    sweep(plan, Here(plan), tmp_path / "c", SweepOptions(shard=(2, 2)))
    assert merge([tmp_path / "c"], tmp_path / "ab").count("done") == 30  # what came later


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_an_invalid_shard_is_refused(text: str) -> None:
    assert parse_shard("2/8") == (2, 8)
    with pytest.raises(InputError, match="must be i/n"):
        parse_shard(text)


# --- the model, the command line, Python ---------------------------------------------------------


TINY = {
    "name": "tiny study",
    "base": "tube_formation",
    "replicates": 2,
    "set": {"domain.size_um": [100, 100], "time.duration_h": 0.1},
    "grid": {"drug.free_nM": [0, 100]},
}


def test_the_model_gives_in_a_study_what_it_gives_alone(tmp_path: Path) -> None:
    study = sim.sweep(TINY, tmp_path / "study", workers=1, keep_runs=True)
    assert study.failures == []
    for run, (_, row) in zip(study.plan.runs, study.results.iterrows(), strict=True):
        alone = sim.run("tube_formation", {**TINY["set"], **run.settings}, seed=run.seed)  # type: ignore[dict-item]
        for name, value in alone.summary.items():
            assert row[name] == value, name
        assert row["mean_drive"] == alone.timeseries["mean_drive"].iloc[-1]
    kept = sorted((tmp_path / "study" / "runs").iterdir())
    assert len(kept) == 4
    assert (kept[0] / "final.npz").exists()
    assert repr(sim.Study.open(tmp_path / "study")).startswith("<tiny study: 4 of 4 runs done")


def test_a_wrongly_planned_run_fails() -> None:
    from sim.studies.worker import simulate

    plan = plan_study(TINY)
    outcome = attempt(simulate, plan.base, Task("0" * 32, {}, 1))
    assert outcome.stage == "worker"
    assert "not the planned one" in outcome.error


@pytest.mark.parametrize("part", ["set-up", "run", "read-out"])
def test_an_error_in_the_model_is_reported_with_its_stage(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.studies.worker import simulate

    def broken(*_: object, **__: object) -> None:
        raise FloatingPointError("broken")

    target = {
        "set-up": "sim.model.clock.AngiogenesisModel._compile",
        "run": "sim.runs.run.advance_observed",
        "read-out": "sim.model.clock.AngiogenesisModel.final_arrays",
    }[part]
    monkeypatch.setattr(target, broken)
    plan = plan_study(TINY)
    run = plan.runs[0]
    outcome = attempt(simulate, plan.base, Task(run.key, run.settings, run.seed))
    assert (outcome.stage, outcome.error) == (part, "FloatingPointError: broken")


def command(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Let the command line make fake runs."""
    monkeypatch.setattr(
        "sim.studies.executors.Pool", lambda base, workers, _, most: Pool(base, workers, run, most)
    )


def test_the_command(
    study_file: Path, workplace: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, fake_runs.instant)
    done = angiosim("sweep", study_file, "--workers", 2)
    assert done.exit_code == 0
    assert "80 of 80 runs done, in runs/doses" in done.stdout
    assert "80 of 80 done" in done.stderr
    outcome = angiosim("sweep", study_file, "--list", "--shard", "1/2")
    assert outcome.stderr == "40 runs: 40 done, 0 failed, 0 left\n"
    listed = outcome.stdout.splitlines()
    assert listed[0].split("\t")[:2] == ["run", "drug.free_nM"]
    assert len(listed) == 41
    assert all(line.endswith("\tdone") for line in listed[1:])
    for i in (1, 2):
        words = ("--shard", f"{i}/2", "--out", f"s{i}", "--quiet")
        assert angiosim("sweep", study_file, *words).exit_code == 0
    assert angiosim("merge", "s1", "s2", "--out", "whole").exit_code == 0
    assert Path("whole/results.csv").read_bytes() == Path("runs/doses/results.csv").read_bytes()
    half = angiosim("merge", "s1", "--out", "half")
    assert half.exit_code == 3
    assert "40 missing" in half.stderr
    words = half.stderr.split("`")[1].split()  # the command that it names makes them
    assert words[:2] == ["angiosim", "sweep"]
    assert angiosim(*words[1:]).exit_code == 0
    assert Path("half/results.csv").read_bytes() == Path("whole/results.csv").read_bytes()


def test_the_command_lists_failures_and_reruns_them(
    study_file: Path, workplace: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(monkeypatch, fake_runs.failing)
    done = angiosim("sweep", study_file, "--quiet", "--workers", 1)
    assert done.exit_code == 3
    assert "60 failed; --retry-failed reruns them:" in done.stderr
    assert "run 21 (drug.free_nM = 1, replicate = 1), set-up: ValueError: no room" in done.stderr
    assert "and 40 more" in done.stderr
    assert "Traceback" not in done.stderr
    command(monkeypatch, fake_runs.instant)
    assert angiosim("sweep", study_file, "--quiet").exit_code == 3
    done = angiosim("sweep", study_file, "--retry-failed", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_the_command_distinguishes_failures_of_runs_from_those_of_the_machine(
    study_file: Path, workplace: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(base: dict[str, Any], task: Task) -> dict[str, Any]:
        run = fake_runs.hindered if task.seed % 2 else fake_runs.failing
        return run(base, task)

    from sim import api

    def made_here(plan: Plan, out: Path, options: SweepOptions, _: Any) -> tuple[Study, Analysis]:
        study = sweep(plan, Here(plan, both), out, options)
        return study, analyse(study)

    monkeypatch.setattr(api, "sweep_plan", made_here)
    done = angiosim("sweep", study_file, "--quiet")
    assert done.exit_code == 3
    first, second = (
        int(re.search(rf"(\d+) {words}", done.stderr)[1])  # type: ignore[index]
        for words in ("failed; --retry-failed", "failed because of their worker")
    )
    assert first + second == 60


@pytest.mark.parametrize(
    "words", [("none.toml",), ("bad.toml",), ("sweeps/example", "--shard", "3/2")]
)
def test_wrong_input_writes_nothing(
    words: tuple[str, ...], workplace: Path, angiosim: Callable[..., Any]
) -> None:
    Path("bad.toml").write_text('base = "tube_formation"\nreplicates = -1\n')
    done = angiosim("sweep", *words)
    assert done.exit_code == 2
    assert done.stderr
    assert everything(workplace) == ["bad.toml"]


def test_progress_in_words() -> None:
    counts = Counts(total=100, done=30, failed=2, running=4, before=12, seconds=60)
    assert words(counts) == {
        "done": "30 of 100", "running": "4", "failed": "2", "left": "68",
        "runs/h": "1,200", "time left": "3 min",
    }  # fmt: skip
    assert Counts(100, 12, 0, 4, 12, 60).seconds_left is None
    hours = Counts(total=1000, done=10, failed=0, running=1, before=0, seconds=360)
    assert words(hours)["time left"] == "9 h 54 min"


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with show_study() as show:
        show(Counts(10, 3, 1, 2, 0, 60))
    for word in ("3 of 10", "failed", "time left"):
        assert word in screen.getvalue()


@pytest.mark.parametrize(("found", "wanted"), [("calibration", "study"), ("study", "calibration")])
def test_folders_of_studies_and_calibrations_are_distinguished(
    tmp_path: Path, found: str, wanted: str
) -> None:
    (tmp_path / f"{found}.toml").write_text('name = "doses"')
    (tmp_path / "ledger.sqlite").touch()
    told = f"contains a {found}, not a {wanted}"
    with pytest.raises(FolderError, match=told), hold(tmp_path, f"{wanted}.toml", "doses"):
        pass


def test_a_killed_study_resumes_and_files_of_others_are_kept(tmp_path: Path) -> None:
    """Killed between the first file of the ledger and `study.toml`; a stranger's temporary file."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    half = ".study.toml.0123abcd89ab4567.tmp"
    for folder, litter in ((ours, half), (theirs, ".mine.tmp")):
        folder.mkdir()
        (folder / "ledger.sqlite").touch()
        (folder / "study.lock").write_text("angiosim: process 1 on here, writing 0123abcd\n")
        (folder / litter).touch()
    with hold(ours, "study.toml", "doses"):
        assert not (ours / half).exists()
    with (
        pytest.raises(FolderError, match="not that of a study"),
        hold(theirs, "study.toml", "doses"),
    ):
        pass
    assert (theirs / ".mine.tmp").exists()


def test_the_list_says_how_many_are_left_and_for_how_long(
    plan: Plan, angiosim: Callable[..., Any], study_file: Path, workplace: Path
) -> None:
    fresh = forecast(plan, plan.runs, {})
    assert (fresh.total, fresh.left, fresh.finished) == (30, 30, 0)
    assert fresh.seconds == pytest.approx(30 * (estimate(load("tube_formation")).seconds - START_S))
    keys = [run.key for run in plan.runs]
    entries = {
        keys[0]: Entry("done", {}, seconds=4.0),
        keys[1]: Entry("done", {}, seconds=8.0),
        keys[2]: Entry("failed", {}, stage="run", seconds=1.0),
        keys[3]: Entry("failed", {}, stage="worker", seconds=1.0),
        keys[4]: Entry("planned", {}),
        "of another plan": Entry("done", {}, seconds=1000.0),
    }
    found = forecast(plan, plan.runs, entries)
    assert (found.done, found.failed, found.left, found.finished) == (2, 1, 27, 2)
    assert found.seconds == pytest.approx(27 * 6.0)
    listed = angiosim("sweep", study_file, "--list", "--workers", 2)
    assert "80 runs: 0 done, 0 failed, 80 left\nabout 2 min for those left" in listed.stderr
    assert "a rough estimate, from sites and steps" in listed.stderr


def test_opening_a_study_says_what_else_a_folder_contains(
    study_file: Path, tmp_path: Path, angiosim: Callable[..., Any]
) -> None:
    folder = tmp_path / "fit"
    folder.mkdir()
    (folder / "calibration.toml").write_text('name = "doses"')
    with Ledger(folder / "ledger.sqlite"):
        pass
    with pytest.raises(InputError, match="contains a calibration, not a study"):
        sim.Study.open(folder)
    listed = angiosim("sweep", study_file, "--out", folder, "--list")
    assert (listed.exit_code, listed.stdout) == (2, "")
    assert "contains a calibration, not a study" in listed.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "study.toml").write_text('name = "others"')
    listed = angiosim("sweep", study_file, "--out", tmp_path / "other", "--list")
    assert "contains the study 'others'" in listed.stderr


def test_folders_of_studies_without_one(plan: Plan) -> None:
    assert default_folder(plan.name) == Path("runs/doses")
    odd = plan_study({**STUDY, "name": "../a dose, b"})
    assert default_folder(odd.name) == Path("runs/a_dose_b")


def test_a_script_needs_no_main_guard(study_file: Path, tmp_path: Path) -> None:
    process = start(study_file, tmp_path / "study", "instant")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert out.splitlines() == ["ready", f"<doses: 80 of 80 runs done, in {tmp_path / 'study'}>"]


@pytest.mark.slow
@pytest.mark.skipif(processors() < 2, reason="needs two idle processors")
def test_two_workers_make_nearly_twice_the_runs() -> None:
    """1.8 times the runs per hour, and less than 50 ms a run beside the simulation itself."""
    size = {"domain.size_um": [200, 200], "time.duration_h": 1}
    plan = plan_study({**TINY, "replicates": 10, "set": size})
    tasks = [Task(run.key, run.settings, run.seed) for run in plan.runs]

    def measure(workers: int) -> tuple[float, float]:
        """Return runs per second once all workers run, and seconds a run beside the simulation."""
        times: list[float] = []
        inside: list[float] = []
        with closing(Pool(plan.base, workers)) as pool, Ledger(None) as ledger:
            ledger.plan(plan.runs, plan.text, "")
            pool.submit(tasks)
            while len(times) < len(tasks):
                outcomes = pool.wait(1)
                ledger.record(outcomes)
                assert not any(outcome.error for outcome in outcomes)
                times += [time.monotonic()] * len(outcomes)
                inside += [outcome.seconds for outcome in outcomes]
        spent = times[-1] - times[workers - 1]
        count = len(times) - workers
        return count / spent, workers * spent / count - sum(inside[workers:]) / count

    measure(1)  # kernels are compiled
    pairs = [(measure(1), measure(2)) for _ in range(3)]
    gain = max(two[0] / one[0] for one, two in pairs)
    beside = min(one[1] for one, _ in pairs)
    print(f"{gain:.2f} times the runs; {1000 * beside:.0f} ms beside a run")
    assert gain > 1.8
    assert beside < 0.05


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dask_cluster_of_processes_survives_a_worker(study_file: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    plan = plan_study(study_file)
    sweep(plan, Here(plan), tmp_path / "undisturbed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        closing(Dask(plan.base, cluster.scheduler_address, fake_runs.slow)) as executor,
    ):
        killed = []

        def kill_one(counts: Counts) -> None:
            if counts.done >= 10 and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        study = sweep(plan, executor, tmp_path / "study", progress=kill_one)
    assert killed
    assert study.count("done") == 80
    found, wanted = (tmp_path / name / "results.csv" for name in ("study", "undisturbed"))
    assert found.read_bytes() == wanted.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("processor", [None, "generic"])
def test_strict_asks_the_workers_of_a_dask_cluster(
    processor: str | None, plan: Plan, table: bytes, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    out, strict = tmp_path / "study", SweepOptions(strict=True)
    sweep(plan, Here(plan), out, SweepOptions(shard=(1, 2)))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1",
            env={"NUMBA_CPU_NAME": processor} if processor else {},
        ) as cluster,
        closing(Dask(plan.base, cluster.scheduler_address, fake_runs.instant)) as executor,
    ):  # fmt: skip
        if processor is None:
            sweep(plan, executor, out, strict)
            assert (out / "results.csv").read_bytes() == table
            return
        with pytest.raises(InputError, match=r"processor was .*, is generic .*--strict refuses"):
            sweep(plan, executor, out, strict)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dask_worker_of_another_version_runs_nothing(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    plan = plan_study({**TINY, "replicates": 1})
    shutil.copytree(Path(sim.__file__).parent, tmp_path / "other" / "sim")
    with (tmp_path / "other" / "sim" / "units.py").open("a") as file:
        file.write("# another version\n")
    with distributed.LocalCluster(
        n_workers=0, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp://"
    ) as cluster:
        address = cluster.scheduler_address

        def study(folder: Path) -> Study:
            words = ["-m", "distributed.cli.dask_worker", address, "--nthreads", "1",
                     "--no-nanny", "--no-dashboard", "--name", folder]  # fmt: skip
            worker = subprocess.Popen(
                [sys.executable, *map(str, words)],
                env={**os.environ, "PYTHONPATH": str(folder)},
                cwd=tmp_path,
            )
            try:
                with closing(Dask(plan.base, address)) as executor:
                    return sweep(plan, executor, tmp_path / "study")
            finally:
                worker.kill()
                worker.wait()

        refused = study(tmp_path / "other")
        assert [failure.stage for failure in refused.failures] == ["worker", "worker"]
        assert "another version of angiosim" in refused.failures[0].error
        assert study(ROOT).count("done") == 2  # without being asked


def test_a_dask_run_whose_workers_die_is_reported(plan: Plan, tmp_path: Path) -> None:
    """What the cluster reports for a run that kills its workers becomes a failed run."""

    class Future:
        status = "error"

        def result(self) -> Outcome:
            raise RuntimeError("KilledWorker")

    executor = Dask.__new__(Dask)
    future = Future()
    executor._tasks = {future: Task("a", {}, 1)}
    outcome = executor._outcome(future)
    assert (outcome.key, outcome.stage, outcome.metrics) == ("a", "worker", None)
    assert outcome.error == "RuntimeError: KilledWorker"
    future.status = "cancelled"
    executor._tasks, executor._address = {future: Task("a", {}, 1)}, "tcp://x"
    with pytest.raises(AngiosimError, match="cancelled a run"):
        executor._outcome(future)
