"""Makes a calibration with fake runs in a process of its own: FILE OUT RUN WORKERS."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import fake_runs

from sim.calibration.calibrate import calibrate
from sim.calibration.file import plan_calibration
from sim.studies.executors import Pool


def main(file: str, out: str, run: str, workers: str) -> None:
    plan = plan_calibration(file)
    with closing(Pool(plan.base, int(workers), getattr(fake_runs, run))) as pool:
        print("ready", flush=True)
        print(calibrate(plan, pool, Path(out)))


main(*sys.argv[1:])  # without a main guard, as users write it
