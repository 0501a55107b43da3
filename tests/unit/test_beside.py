"""Work beside the caller: in a process of its own, or not at all."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.kernels import beside as module
from sim.kernels.beside import beside

copying = pytest.mark.skipif(sys.platform != "linux", reason="copies no process here")


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processors", lambda: 2)


def fail() -> None:
    raise KeyError("wrong")


def warn() -> None:
    warnings.warn("odd", UserWarning, stacklevel=1)


def hide() -> None:
    warnings.warn("of no interest", PendingDeprecationWarning, stacklevel=1)
    logging.getLogger("sim").error("written by nobody")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@copying
def test_work_is_done_in_another_process(tmp_path: Path) -> None:
    with beside(lambda: (tmp_path / "pid").write_text(str(os.getpid()))) as done:
        assert done()
    assert int((tmp_path / "pid").read_text()) != os.getpid()
    assert not multiprocessing.active_children()


@copying
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("work", [fail, warn, die])
def test_what_went_wrong_is_left_to_the_caller(
    work: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with beside(work) as done:
        assert not done()
    assert capfd.readouterr() == ("", "")


@copying
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_what_nobody_would_see_is_no_report(capfd: pytest.CaptureFixture[str]) -> None:
    with beside(hide) as done:
        assert done()
    assert capfd.readouterr() == ("", "")


@copying
def test_an_interruption_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    started, finished = tmp_path / "started", tmp_path / "finished"

    def work() -> None:
        started.touch()
        try:
            time.sleep(60)
            finished.touch()
        finally:
            started.unlink()

    with pytest.raises(KeyboardInterrupt), beside(work):
        while not started.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert not multiprocessing.active_children()
    assert not list(tmp_path.iterdir())


@copying
def test_interruptions_are_for_the_caller() -> None:
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with beside(work) as done:
        assert done()


def test_on_one_processor_the_caller_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processors", lambda: 1)
    with beside(fail) as done:
        assert not multiprocessing.active_children()
        assert not done()
