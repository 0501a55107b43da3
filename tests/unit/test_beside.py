"""Work beside the caller: in a process of its own, or not at all."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.kernels import beside as module
from sim.kernels.beside import beside
from sim.view import progress

copying = pytest.mark.skipif(sys.platform != "linux", reason="copies no process here")


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors, and no threads but those that a test starts: others may have left some."""
    monkeypatch.setattr(module, "processors", lambda: 2)
    count = threading.active_count
    left = count() - 1
    monkeypatch.setattr(threading, "active_count", lambda: count() - left)


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


def works_itself() -> None:
    with beside(fail) as done:
        assert not multiprocessing.active_children()
        assert not done()


@copying
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_daemonic_process_works_itself() -> None:
    """It may have no children: a worker of a pool, or of a cluster."""
    daemon = multiprocessing.get_context("fork").Process(target=works_itself, daemon=True)
    daemon.start()
    daemon.join()
    assert daemon.exitcode == 0


@copying
def test_beside_other_threads_the_caller_works() -> None:
    """In the thread and in the main one: a copy would have their locks and none to open them."""
    found: list[bool] = []
    leave = threading.Event()

    def thread() -> None:
        works_itself()
        found.append(True)
        leave.wait()

    other = threading.Thread(target=thread, daemon=True)
    other.start()
    try:
        works_itself()
    finally:
        leave.set()
        other.join()
    assert found


@copying
def test_a_bar_has_no_thread_left_when_its_run_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So pictures of a run on a terminal are drawn in a copy, too."""
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    with progress.show_run() as show:
        show(0, 2)
        assert threading.active_count() > 1
        show(2, 2)
        while threading.active_count() > 1:  # it was asked to end
            time.sleep(0.01)
        with beside((tmp_path / "drawn").touch) as done:
            assert done()
