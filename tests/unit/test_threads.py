"""Work on several threads, and where they wait for each other."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from sim.kernels import threads
from sim.kernels.barrier import take, wait
from sim.kernels.compiling import lean
from sim.kernels.threads import together
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load
from sim.tissue import forms, potts
from sim.tissue.moments import measure_cells
from sim.tools import bench

ROUNDS = 500


@lean
def meet(counts, threads, part, reached, apart):  # type: ignore[no-untyped-def]
    for number in range(ROUNDS):
        reached[part] = number
        wait(counts, threads)
        for other in range(threads):
            if reached[other] != number:
                apart[part] += 1
        wait(counts, threads)


@lean
def take_all(counts, most, taken):  # type: ignore[no-untyped-def]
    number = take(counts, 1)
    while number < most:
        taken[number] += 1
        number = take(counts, 1)


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_threads_wait_for_each_other(many: int) -> None:
    counts, reached, apart = (np.zeros(n, np.int64) for n in (2, many, many))
    together(many, lambda part: meet(counts, many, part, reached, apart))
    assert counts[0] == 2 * ROUNDS * many
    assert not apart.any()


def test_each_piece_of_work_is_taken_once() -> None:
    counts, taken = np.zeros(2, np.int64), np.zeros(100_000, np.int64)
    together(4, lambda _: take_all(counts, taken.size, taken))
    assert (taken == 1).all()


def test_an_error_on_a_thread_is_raised_when_all_are_done() -> None:
    done = []

    def work(part: int) -> None:
        if part == 1:
            raise ValueError("broken")
        time.sleep(0.05)
        done.append(part)

    with pytest.raises(ValueError, match="broken"):
        together(3, work)
    assert sorted(done) == [0, 2]


def test_two_callers_take_turns() -> None:
    """Else each could hold a thread that the other waits for."""
    counts = [np.zeros(2, np.int64) for _ in range(2)]
    apart = np.zeros(3, np.int64)

    def call(which: int) -> None:
        reached = np.zeros(3, np.int64)
        for _ in range(5):
            together(3, lambda part: meet(counts[which], 3, part, reached, apart))

    callers = [threading.Thread(target=call, args=(which,)) for which in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not any(caller.is_alive() for caller in callers)
    assert not apart.any()


def test_no_thread_starts_if_a_signal_comes_before_all_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would wait for the others for ever."""
    pool, started = threads._pool(3), []
    submit = pool.submit

    def interrupted(call: Callable[[int], None], part: int) -> Future[None]:
        if part == 2:
            raise KeyboardInterrupt
        return submit(call, part)

    monkeypatch.setattr(pool, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        together(3, started.append)
    monkeypatch.undo()
    together(3, lambda _: None)
    assert not started


@pytest.mark.parametrize(
    ("asked", "sites", "steps", "wanted"),
    [
        (3, 160_000, 1, 1),
        (3, 160_000, 4, 3),
        (3, 10_000, 100, 1),
        (3, 640_000, 1, 3),
        (9, 640_000, 1, 4),
        (1, 10**7, 100, 1),
    ],
)
def test_threads_are_used_where_they_are_worth_it(
    asked: int, sites: int, steps: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 4)
    assert threads.worth(asked, sites, steps) == wanted


def _in_a_child() -> None:
    counts, reached, apart = (np.zeros(2, np.int64) for _ in range(3))
    together(2, lambda part: meet(counts, 2, part, reached, apart))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    _in_a_child()
    child = multiprocessing.get_context("fork").Process(target=_in_a_child)
    child.start()
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.parametrize("cell_cell", [40, 40.5])
def test_moments_are_those_of_the_lattice_after_an_interruption(
    cell_cell: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of both sweeps: the one made for whole energies, and the general one."""
    monkeypatch.setattr(threads, "LEAST_SITES", 0)
    monkeypatch.setattr(threads, "LEAST_WORK", 0)
    monkeypatch.setattr(threads, "processors", lambda: 2)
    settings = {
        "domain.size_um": [220, 208], "cells.count": 80,
        "engine.contact_energy.cell_cell": cell_cell,
    }  # fmt: skip
    model = AngiogenesisModel(load(bench.CELLS, bench.NO_FIELD | settings), threads=2)

    def interrupted(*arguments: Any) -> None:
        together(*arguments)
        raise KeyboardInterrupt

    before = model.cell_id.copy()
    for module in (forms, potts):
        monkeypatch.setattr(module, "together", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.step()
    assert (model.cell_id != before).any()
    counted = np.zeros_like(model.cells["moments"])
    measure_cells(model.lattice, model.cells["anchor"], True, counted)
    assert (model.cells["moments"][1:] == counted[1:]).all()
