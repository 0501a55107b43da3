"""Makes a study with fake runs in a process of its own: FILE OUT RUN WORKERS [LIMIT]."""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType

import fake_runs

from sim.errors import Interrupted
from sim.studies.executors import Pool
from sim.studies.file import plan_study
from sim.studies.sweep import sweep


def stop(signum: int, _: FrameType | None) -> None:
    raise Interrupted(signum)


def main(file: str, out: str, run: str, workers: str, limit: str = "") -> None:
    signal.signal(signal.SIGTERM, stop)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    plan = plan_study(file)
    with closing(Pool(plan.base, int(workers), getattr(fake_runs, run))) as pool:
        print("ready", flush=True)
        print(sweep(plan, pool, Path(out)))


main(*sys.argv[1:])  # without a main guard, as users write it
