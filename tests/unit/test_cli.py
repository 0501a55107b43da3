from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from marks import slow

import sim
from sim.errors import InputError, NumericalError
from sim.kinds import kind_of
from sim.runs.manifest import begin_manifest, finish_manifest
from sim.runs.result import Result
from sim.scenario.resolve import load
from sim.scenario.settings import parse_setting
from sim.scenario.shipped import shipped
from sim.scenario.writing import dump
from sim.tools import doctor

# The promise is 0.3 s on a quiet machine; a loaded one with a cold disk may take five times that.
HELP_SECONDS = 0.3
PATIENCE = 5.0

Angiosim = Callable[..., Any]


class FakeRun:
    """Stands for the simulation: ten steps of nothing; `at` steps in, `happens` is called."""

    def __init__(self) -> None:
        self.scenario: Any = None
        self.steps = 0
        self.at = -1
        self.happens: Callable[[], None] = lambda: None

    def __call__(
        self,
        scenario: Any,
        *,
        progress: Any = None,
        folder: Any = None,
        threads: int = 1,
        observers: Any = (),
        **_: Any,
    ) -> Any:
        self.scenario, self.threads = scenario, threads
        manifest = begin_manifest(scenario_hash="", seed=scenario.seed, threads=threads)
        if folder is not None:
            folder.write_scenario(dump(scenario))
            folder.write_manifest(manifest)
        try:
            for self.steps in range(11):
                if self.steps == self.at:
                    self.happens()
                if progress is not None:
                    progress(self.steps, 10)
        except KeyboardInterrupt:
            self._result(scenario, folder, finish_manifest(
                manifest, wall_s={}, mcs=self.steps, completed=False
            ))  # fmt: skip
            raise
        return self._result(scenario, folder, finish_manifest(manifest, wall_s={}, mcs=10))

    def _result(self, scenario: Any, folder: Any, manifest: dict[str, Any]) -> Any:
        result = Result(
            scenario=scenario,
            seed=scenario.seed,
            summary={"cells": 12, "tube_length_mm": 3.14159},
            timeseries=pd.DataFrame({"time_h": [0.0]}),
            final={"cell_id": np.zeros((2, 2), np.int32)},
            frames={},
            manifest=manifest,
            folder=folder and folder.path,
        )
        if folder is not None:
            folder.write_results(
                timeseries=result.timeseries,
                summary=result.summary,
                tables={},
                final=result.final,
                manifest=result.manifest,
            )
        return result


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    fake = FakeRun()
    module = ModuleType("sim.runs.run")
    module.run_scenario = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sim.runs.run", module)
    monkeypatch.setattr(
        "sim.view.run.pictures.save_pictures",
        lambda result, folder: (folder / "network.png").write_bytes(b"picture"),
    )
    return fake


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def manifest_of(folder: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text())
    return content


# --- the words -------------------------------------------------------------------------------


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-c", "from sim.cli.main import main; main()", "--help"]
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        spent.append(time.perf_counter() - began)
    assert "run" in done.stdout and "..." not in done.stdout.partition("Commands:")[2]
    assert min(spent) < HELP_SECONDS * PATIENCE


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["validate", "tube_formation"], ["scenarios"]]
)
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from sim.cli.main import app\n"
        f"app({words!r}, standalone_mode=False)\n"
        "print('heavy:', *sorted({'numba', 'mesa', 'scipy', 'pandas', 'matplotlib'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy:"


def test_importing_sim_is_light_and_lazy() -> None:
    program = (
        "import sim, sys; assert not {'numpy', 'numba', 'mesa', 'pydantic'} & set(sys.modules);"
        "from sim import load, run, Result; assert 'numba' not in sys.modules;"
        "assert {'run', 'load', 'Result', 'AngiogenesisModel'} <= set(dir(sim))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = sim.runn  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_name_of_the_distribution_can_be_imported_too(tmp_path: Path) -> None:
    """From what is installed: neither the tests' folder nor that of the sources is in reach."""
    program = (
        "import angiosim, sim, sys; assert not {'numpy', 'numba', 'mesa'} & set(sys.modules);"
        "assert angiosim.run is sim.run and angiosim.__version__ == sim.__version__;"
        "from angiosim import *; assert Result is sim.Result; assert set(__all__) <= set(dir())"
    ).replace("__all__", "sim.__all__")
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    for wrong in ("angiosim.runn", "from angiosim import runn", "import angiosim.api"):
        program = f"import angiosim; {wrong}"
        done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, cwd=tmp_path)
        assert done.returncode and b"angiosim" in done.stderr  # no second copy of a module


@pytest.mark.slow
@pytest.mark.parametrize("stderr", ["unread", "closed"])
def test_no_run_ends_because_its_progress_is_not_read(stderr: str, tmp_path: Path) -> None:
    """Neither the command's nor Python's; what is wrong keeps its exit code."""
    if stderr == "closed":
        alone = "import sys; sys.stderr = None; import numpy.f2py, scipy.ndimage"
        if subprocess.run([sys.executable, "-c", alone]).returncode:
            pytest.skip("this NumPy cannot be imported without a standard error")
    here, written = os.pipe()
    os.close(here)
    small = ["domain.size_um=[120, 120]", "time.duration_h=0.051"]
    settings = dict(map(parse_setting, small))
    command = "import sys; from sim.cli.main import main; sys.argv[1:] = {}; main()"
    words = ["run", "tube_formation", "--out", "b", "--set", small[0], "--set", small[1]]
    programs = {
        f"import sim; sim.run('tube_formation', {settings}, out='a', progress=True)": 0,
        command.format(words): 0,
        command.format(["run", "no such"]): 2,
    }
    with open(written, "w") as broken:
        for program, code in programs.items():
            closed = "import sys; sys.stderr = None; " if stderr == "closed" else ""
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", closed + program], cwd=tmp_path,
                stderr=broken, env=os.environ | {"PYTHONPATH": str(Path(sim.__file__).parents[1])},
            )  # fmt: skip
            assert done.returncode == code, program
    for folder in ("a", "b"):
        assert {"summary.json", "network.png"} <= {*everything(tmp_path / folder)}


@pytest.mark.parametrize("module", ["sim", "angiosim"])
def test_the_command_line_as_a_module(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", module]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == f"angiosim {sim.__version__}\n"
    done = subprocess.run([*command, "fly"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "Usage: angiosim [OPTIONS]" in done.stderr


def test_version(angiosim: Angiosim) -> None:
    from importlib.metadata import version

    assert angiosim("--version").stdout == f"angiosim {sim.__version__}\n"
    assert version("angiosim") == sim.__version__


@pytest.mark.parametrize("words", [["fly"], ["run"], ["run", "x", "--seed", "one"], ["validate"]])
def test_wrong_words_are_wrong_input(angiosim: Angiosim, words: list[str]) -> None:
    assert angiosim(*words).exit_code == 2


# --- run -------------------------------------------------------------------------------------


def test_run_leaves_a_folder_and_says_where(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path
) -> None:
    done = angiosim("run", "tube_formation", "--seed", 7)
    assert done.exit_code == 0, done.stderr
    assert everything(workplace / "runs/tube_formation-s7") == [
        "final.npz", "manifest.json", "network.png", "run.log", "scenario.toml", "summary.json",
        "timeseries.csv",
    ]  # fmt: skip
    words = done.stdout.split()
    assert words == [
        "cells", "12", "tube_length_mm", "3.142", "folder", "runs/tube_formation-s7",
    ]  # fmt: skip
    assert "10/10 steps" in done.stderr  # plain lines, as there is no terminal
    assert load(workplace / "runs/tube_formation-s7/scenario.toml") == fake_run.scenario
    assert manifest_of("runs/tube_formation-s7")["completed"] is True


@pytest.mark.parametrize("columns", ["40", slow("80")])
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_digit_is_cut_at_any_width(
    angiosim: Angiosim,
    fake_run: FakeRun,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    terminal: bool,
) -> None:
    many = [f"drug.regimen.{key}" for key in ("cycles=12", "reductions={'2'=10, '3'=8}")]
    row = {"problem": "cue", "threads": 1, "sites": 123456789, "cells": 55123, "mcs": 98765,
           "seconds": 1234.56, "ready_s": 78.9, "ms_per_mcs": 1234.56, "fastest_ms": 1111.11,
           "slowest_ms": 9999.99, "cpu_ms_per_mcs": 1234.56, "mcs_per_s": 0.8, "ns_per_site": 10.1,
           "ns_per_attempt": 99.99, "ns_per_substep": 0.55,
           "peak_memory_MiB": 12345.0, "parts": {"potts": 0.5, "fields": 0.5}}  # fmt: skip
    monkeypatch.setattr("sim.tools.bench.measure", lambda *_: [row])
    monkeypatch.setattr("sim.tools.bench.relate", lambda rows: rows)
    monkeypatch.setattr("sim.tools.bench.machine", lambda: {"load_average": 0.1})
    commands = [
        ["run", "tube_formation", "--out", "[a] folder " + "with a long name " * 9],
        ["pk", "human_12mg", "--set", many[0], "--set", many[1]],
        ["bench", "cue"],
        ["describe", "anlotinib"],
    ]
    monkeypatch.setenv("COLUMNS", "1000")
    shown = [angiosim(*words).stdout for words in commands]
    monkeypatch.setenv("COLUMNS", columns)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    Path(commands[0][-1]).rename("first")
    for words, expected in zip(commands, shown, strict=True):
        done = angiosim(*words)
        assert done.exit_code == 0, done.output
        found = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        assert "…" not in found
        if words[0] == "describe" and terminal:  # prose, which wraps
            assert found.split() == expected.split()
        else:
            assert found == expected
    assert "[a] folder" in shown[0] and "123,456,789" in shown[2]


def test_run_again_takes_another_folder(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path
) -> None:
    for _ in range(2):
        assert angiosim("run", "tube_formation").exit_code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "tube_formation-s1",
        "tube_formation-s1-2",
    ]


def test_run_settings(angiosim: Angiosim, fake_run: FakeRun, workplace: Path) -> None:
    done = angiosim(
        "run", "tube_formation", "--out", "out",
        "--set", "drug.free_nM=5.6", "--set", "cells.seeding=grid", "--set", "time.duration_h=2 h",
        "--threads", "3",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert fake_run.threads == 3
    assert fake_run.scenario.drug.free_nM == 5.6
    assert fake_run.scenario.cells.seeding == "grid"
    assert fake_run.scenario.time.duration_h == 2.0


def test_pictures_unless_told(angiosim: Angiosim, fake_run: FakeRun, workplace: Path) -> None:
    for folder, words in (("with", []), ("without", ["--no-pictures"])):
        assert angiosim("run", "tube_formation", "--out", folder, *words).exit_code == 0
    assert set(everything(Path("with"))) - set(everything(Path("without"))) == {"network.png"}


def test_impossible_threads_are_refused(angiosim: Angiosim, workplace: Path) -> None:
    assert angiosim("run", "tube_formation", "--threads", "0").exit_code == 2
    assert not list(workplace.iterdir())


def test_quiet_says_nothing(angiosim: Angiosim, fake_run: FakeRun, workplace: Path) -> None:
    done = angiosim("run", "tube_formation", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.toml"], "nowhere.toml"),
        (["tube_formatoin"], "tube_formation"),
        (["tube_formation", "--set", "drug"], "KEY=VALUE"),
        (["tube_formation", "--set", "=3"], "KEY=VALUE"),
        (["tube_formation", "--set", "drug.free_nm=3"], "free_nM"),
        (["tube_formation", "--set", "time.duration_h=-1"], "time.duration_h"),
        (["tube_formation", "--seed", "-1"], "seed"),
        (["tube_formation", "--out", "taken"], "not empty"),
        (["tube_formation", "--out", "taken/file"], "cannot write"),
        (["taken"], "taken"),
        (["taken/file"], "taken/file"),
    ],
)
def test_wrong_input_gives_a_message_and_writes_nothing(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path, words: list[str], says: str
) -> None:
    Path("taken").mkdir()
    Path("taken/file").write_bytes(b"\xff")
    done = angiosim("run", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert fake_run.scenario is None
    assert everything(workplace) == ["taken", "taken/file"]


def test_input_found_wrong_in_the_run_leaves_nothing(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path
) -> None:
    def fail() -> None:
        raise InputError("these cells do not fit")

    fake_run.at, fake_run.happens = 0, fail
    done = angiosim("run", "tube_formation")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == "these cells do not fit"
    assert everything(workplace) == []


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NumericalError("the field VEGF is not finite"), "the field VEGF is not finite"),
        (OSError(28, "No space left on device", "final.npz"), "final.npz: no space left on device"),
        (ZeroDivisionError("by zero"), "unexpected ZeroDivisionError: by zero"),
        (
            ImportError("no numba"),
            "unexpected ImportError: no numba; `angiosim doctor` may help",
        ),
    ],
)
def test_a_run_that_cannot_continue_fails(
    angiosim: Angiosim,
    fake_run: FakeRun,
    workplace: Path,
    error: Exception,
    says: str,
    verbose: bool,
) -> None:
    def fail() -> None:
        raise deepcopy(error)

    fake_run.at, fake_run.happens = 5, fail
    done = angiosim("run", "tube_formation", "--out", "out", *(["-v"] if verbose else []))
    assert done.exit_code == 4
    assert done.stderr.splitlines()[-1] == f"{says}; see {Path('out/run.log')}"
    assert done.stderr.count("Traceback") == verbose
    log = Path("out/run.log").read_text()
    assert "Traceback" in log
    assert type(error).__name__ in log
    assert manifest_of("out")["completed"] is False


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_between_steps_and_keeps_what_exists(
    angiosim: Angiosim,
    fake_run: FakeRun,
    workplace: Path,
    signum: signal.Signals,
    code: int,
    request: pytest.FixtureRequest,
) -> None:
    usual = {signal.SIGINT: signal.default_int_handler}.get(signum, signal.SIG_DFL)
    started = signal.signal(signum, usual)  # these tests may be run with nohup
    request.addfinalizer(lambda: signal.signal(signum, started))
    before = signal.getsignal(signum)
    fake_run.at, fake_run.happens = 5, lambda: os.kill(os.getpid(), signum)
    done = angiosim("run", "tube_formation", "--out", "out")
    assert done.exit_code == code
    assert done.stderr.splitlines()[-1].endswith(
        "; the results so far are in out; resume with --resume"
    )
    assert fake_run.steps == 5
    assert manifest_of("out") | {"completed": False, "mcs": 5} == manifest_of("out")
    assert Path("out/final.npz").exists()
    assert signal.getsignal(signum) == before


def test_a_signal_after_the_last_step_comes_too_late(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path
) -> None:
    fake_run.at, fake_run.happens = 10, lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert angiosim("run", "tube_formation", "--out", "out").exit_code == 0
    assert manifest_of("out")["completed"] is True


def test_verbose_shows_the_log(angiosim: Angiosim, fake_run: FakeRun, workplace: Path) -> None:
    before = logging.getLogger("sim").handlers[:]
    fake_run.at = 3
    fake_run.happens = lambda: logging.getLogger("sim.tissue").info("third step")
    assert "third step" in angiosim("run", "tube_formation", "-v", "--out", "a").stderr
    assert "third step" not in angiosim("run", "tube_formation", "--out", "b").stderr
    for folder in "ab":
        assert "third step" in Path(folder, "run.log").read_text()
    assert logging.getLogger("sim").handlers == before


def test_a_real_run_stopped_by_sigterm_leaves_what_exists(workplace: Path) -> None:
    command = [
        sys.executable, "-c", "from sim.cli.main import main; main()", "run", "tube_formation",
        "--out", "out", "--set", "domain.size_um=[200, 200]", "--set", "time.duration_h=200",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("2400/24000 steps"):
                break
        process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert "the results so far are in out" in rest
    manifest = manifest_of("out")
    assert manifest["completed"] is False
    assert 2400 <= manifest["mcs"] < 24000
    with np.load("out/final.npz") as final:
        counts = np.bincount(final["cell_id"].ravel())
        np.testing.assert_array_equal(counts[1:], final["cell_area"][1 : counts.size])
    assert pd.read_csv("out/timeseries.csv")["mcs"].iloc[0] == 0
    assert not list(Path("out").rglob(".*"))


def test_compiling_is_announced_only_when_it_happens(
    angiosim: Angiosim, fake_run: FakeRun, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel of a new machine is compiled once; after that it comes from the cache."""
    Path("kernels.py").write_text(
        "from sim.kernels.compiling import kernel\n@kernel\ndef twice(x):\n    return 2 * x\n"
    )
    program = (
        "from sim.view.progress import show_run\n"
        "from kernels import twice\n"
        "with show_run() as show:\n"
        "    show(0, 10); twice(1); twice(1.5); show(10, 10)\n"
    )
    monkeypatch.setenv("ANGIOSIM_CACHE_DIR", str(workplace / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(workplace), *sys.path]))
    shown = [
        subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=True).stderr
        for _ in range(2)
    ]
    assert [text.count(b"compiling kernels") for text in shown] == [1, 0]
    assert [text.count(b"/10 steps") for text in shown] == [2, 2]
    fake_run.at = 0
    assert "compil" not in angiosim("run", "tube_formation").stderr


# --- scenarios, validate, describe -----------------------------------------------------------


def test_scenarios_are_listed_with_what_they_are(angiosim: Angiosim) -> None:
    lines = angiosim("scenarios").stdout.partition("\n\n")[0].splitlines()
    names = [line.split()[0] for line in lines]
    assert names == list(shipped())
    assert {"tube_formation", "tube_formation_anlotinib"} <= set(names)
    assert all(len(line.split()) > 3 for line in lines)


def test_a_scenario_is_shown_and_copied(angiosim: Angiosim, workplace: Path) -> None:
    text = shipped()["tube_formation"].read_text(encoding="utf-8")
    assert angiosim("scenarios", "tube_formation").stdout == text
    assert angiosim("scenarios", "tube_formation", "--copy-to", "mine.toml").exit_code == 0
    assert Path("mine.toml").read_text(encoding="utf-8") == text
    assert angiosim("scenarios", "tube_formation", "--copy-to", ".").exit_code == 0
    assert everything(workplace) == ["mine.toml", "tube_formation.toml"]


@pytest.mark.parametrize("target", ["mine.toml", "nowhere/mine.toml", "."])
def test_a_copy_is_never_overwritten(angiosim: Angiosim, workplace: Path, target: str) -> None:
    for name in ("mine.toml", "tube_formation.toml"):
        Path(name).write_text("precious")
    done = angiosim("scenarios", "tube_formation", "--copy-to", target)
    assert done.exit_code == 2
    assert done.stderr
    assert {path.read_text() for path in workplace.iterdir()} == {"precious"}


def test_an_unknown_scenario(angiosim: Angiosim, workplace: Path) -> None:
    done = angiosim("scenarios", "tube_formatio")
    assert done.exit_code == 2
    assert "did you mean 'tube_formation'?" in done.stderr
    assert angiosim("scenarios", "--copy-to", "x").exit_code == 2


def test_validate_reports_all_errors_in_all_files(angiosim: Angiosim, workplace: Path) -> None:
    Path("bad.toml").write_text("[time]\nduration_h = -1\n[cells]\nseedin = 'grid'\n")
    Path("worse.toml").write_text("[time")
    done = angiosim("validate", "bad.toml", "tube_formation", "worse.toml")
    assert done.exit_code == 2
    assert done.stdout == "tube_formation: valid\n"
    for part in ("bad.toml", "time.duration_h", "cells.seedin", "worse.toml"):
        assert part in done.stderr
    assert angiosim("validate", *shipped()).exit_code == 0


def test_every_shipped_file_has_a_known_kind() -> None:
    for name, path in shipped().items():
        assert kind_of(name) == kind_of(path) == kind_of(path, "study") == "scenario"


SCENARIO = "extends = 'tube_formation'\n[time]\nduration_h = 1\n"
STUDY = "base = 'tube_formation'\nreplicates = 2\n[grid]\n'drug.free_nM' = [0, 1]\n"
CALIBRATION = (
    "base = 'tube_formation'\nreplicates = 2\n[parameters]\n'cells.count' = [10, 20]\n"
    "[data]\nrows = [{meshes = 2, meshes_sd = 1}]\n"
)


@pytest.mark.parametrize(
    ("command", "file", "told"),
    [
        ("run", "study.toml", "a study, not a scenario: `angiosim sweep study.toml`"),
        ("run", "fit.toml", "a calibration, not a scenario: `angiosim calibrate fit.toml`"),
        ("pk", "study.toml", "a study, not a scenario: `angiosim sweep study.toml`"),
        ("sweep", "one.toml", "a scenario, not a study: `angiosim run one.toml`"),
        ("sweep", "fit.toml", "a calibration, not a study: `angiosim calibrate fit.toml`"),
        ("sweep", "tube_formation", "a scenario, not a study: `angiosim run tube_formation`"),
        ("calibrate", "study.toml", "a study, not a calibration: `angiosim sweep study.toml`"),
        ("calibrate", "one.toml", "a scenario, not a calibration: `angiosim run one.toml`"),
        ("run", "sweeps/dose_response", "`angiosim sweep sweeps/dose_response`"),
        ("calibrate", "sweeps/dose_response", "`angiosim sweep sweeps/dose_response`"),
        ("sweep", "nosuch", "`angiosim scenarios` lists"),
        ("calibrate", "nosuch", "`angiosim scenarios` lists"),
    ],
)
def test_a_file_of_another_kind_is_reported_with_its_command(
    angiosim: Angiosim, workplace: Path, command: str, file: str, told: str
) -> None:
    for name, text in (("one", SCENARIO), ("study", STUDY), ("fit", CALIBRATION)):
        Path(f"{name}.toml").write_text(text)
    assert angiosim("validate", "one.toml", "study.toml", "fit.toml").exit_code == 0
    done = angiosim(command, file)
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert len(list(workplace.iterdir())) == 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sim.load("sweeps/dose_response"), "a study, not a scenario: `angiosim sweep"),
        (lambda: sim.run({"base": "tube_formation", "grid": {}}), "a study, not a scenario: `sim."),
        (lambda: sim.pk({"trials": 3, "data": {}}), "a calibration, not a scenario: `sim.calib"),
        (lambda: sim.sweep({"cells": {}, "time": {}}), "a scenario, not a study: `sim.run`"),
        (lambda: sim.calibrate("tube_formation"), "a scenario, not a calibration: `angiosim run"),
        (lambda: sim.load(3), "3: must be the name of a shipped scenario, a path"),
        (lambda: sim.load(None), "None: must be the name of a shipped scenario"),
        (lambda: sim.sweep([1]), "[1]: must be the name of a shipped study"),
        (lambda: sim.calibrate(True), "true: must be the name of a shipped calibration"),
        (lambda: sim.pk("human_12mg", ["a"]), "overrides = ['a']: must be a mapping"),
        (lambda: sim.sweep("sweeps/dose_response", overrides="a=3"), "overrides = 'a=3': must be"),
    ],
)  # fmt: skip
def test_python_reports_what_a_source_is_too(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert said in str(caught.value)


def test_a_typing_error_does_not_change_the_kind_of_file(
    angiosim: Angiosim, workplace: Path
) -> None:
    Path("study.toml").write_text(STUDY + "[parameters]\n")
    assert "parameters: unknown key" in angiosim("sweep", "study.toml", "--list").stderr
    Path("one.toml").write_text(SCENARIO + "[set]\n")
    assert "set = {}: unknown key" in angiosim("run", "one.toml").stderr


def test_describe(angiosim: Angiosim) -> None:
    assert "density_per_mm2" in angiosim("describe").stdout
    one = angiosim("describe", "cells.density_per_mm2")
    assert one.exit_code == 0
    assert "mm" in one.stdout
    assert "VEGFR2" in angiosim("describe", "anlotinib").stdout
    unknown = angiosim("describe", "cells.densty_per_mm2")
    assert unknown.exit_code == 2
    assert "density_per_mm2" in unknown.stderr


# --- doctor ----------------------------------------------------------------------------------


def test_doctor_finds_no_fault_here(angiosim: Angiosim, workplace: Path) -> None:
    done = angiosim("doctor")
    assert done.exit_code == 0, done.stdout
    for part in (sim.__version__, "numba", "mesa", "processors", "kernel cache", str(workplace)):
        assert part in done.stdout
    assert everything(workplace) == []


def test_doctor_reports_what_is_missing_and_how_to_fix_it(
    angiosim: Angiosim, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numba", "sim.kernels.compiling"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    done = angiosim("doctor")
    assert done.exit_code == 4
    assert "!!  numba" in done.stdout
    assert "numba: pip install --force-reinstall numba" in done.stdout
    assert "kernel cache: fix numba first (above)" in done.stdout
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("version", "fits"), [("3.3.1", True), ("3.5.1", True), ("4.0.0a0", False)]
)
def test_doctor_knows_which_mesa_fits(
    monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    (finding,) = [each for each in doctor.examine() if each.what == "Mesa with Python"]
    assert bool(finding.fix) is not fits


def test_doctor_knows_that_kernels_must_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.config.DISABLE_JIT", 1)
    (finding,) = [each for each in doctor.examine() if each.what == "kernel cache"]
    assert finding.fix == "unset NUMBA_DISABLE_JIT"


def test_doctor_sees_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    troubles = {each.what: each for each in doctor.examine() if each.fix}
    assert "not writable (permission denied)" in troubles["working folder"].found


# --- import sim ------------------------------------------------------------------------------


def test_run_from_python_writes_nothing_unless_asked(fake_run: FakeRun, workplace: Path) -> None:
    result = sim.run("tube_formation", overrides={"drug.free_nM": 5.6}, seed=3)
    assert (result.seed, result.summary["cells"], result.folder) == (3, 12, None)
    assert fake_run.scenario.drug.free_nM == 5.6
    assert everything(workplace) == []
    result = sim.run(sim.load("tube_formation"), seed=4, out="out")
    assert result.folder == Path("out")
    assert result.seed == 4
    assert Path("out/network.png").exists()
    with pytest.raises(InputError, match="not empty"):
        sim.run("tube_formation", out="out")


def test_run_from_python_leaves_nothing_when_input_is_wrong(
    fake_run: FakeRun, workplace: Path
) -> None:
    def fail() -> None:
        raise InputError("these cells do not fit")

    fake_run.at, fake_run.happens = 0, fail
    with pytest.raises(InputError, match="do not fit"):
        sim.run("tube_formation", out="a/b")
    assert everything(workplace) == []


def test_settings_of_all_runs_of_a_study(angiosim: Angiosim, workplace: Path) -> None:
    def keys(*words: str) -> list[str]:
        done = angiosim("sweep", "sweeps/example", "--list", *words)
        assert done.exit_code == 0, done.stderr
        return [line.split("\t")[-2] for line in done.stdout.splitlines() if line[:1].isdigit()]

    plain, dense, other = keys(), keys("--set", "cells.count=9"), keys("--seed", "7")
    assert len(plain) == len(set(plain) | set(dense) | set(other)) / 3
    assert keys("--set", "time.duration_h=0.5") == plain  # as the file has it
    for words, told in (
        (["--set", "drug.free_nM=3"], "is set by overrides (--set) and by [grid]"),
        (["--set", "cells.count=3", "--set", "cells.count=4"], "is set twice with --set, to 3 and"),
        (["--set", "seed=4"], "must not be set by overrides (--set)"),
    ):
        done = angiosim("sweep", "sweeps/example", "--list", *words)
        assert done.exit_code == 2
        assert told in done.stderr
    done = angiosim("run", "tube_formation", "--seed", "3", "--set", "seed=4", "--out", "out")
    assert done.exit_code == 2
    assert "seed: is set twice" in done.stderr
    assert not Path("out").exists()
