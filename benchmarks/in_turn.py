"""Two checkouts of angiosim on the same problems, in turn: ``python benchmarks/in_turn.py A B``.

Each measurement is a process of its own, A B A B ..., so that a slow minute of the machine meets
both, and both make the same steps from the same seed. Of each block of steps the fastest of all
rounds counts; the ratio is that of the sums over the blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("plain", "cue", "openvt", "tube_formation", "all_ligands")
CLOCKS = ("CPU", "wall")


def work() -> None:
    """Time the blocks of a problem in the checkout that Python finds; print them as JSON."""
    import sim

    task = json.loads(sys.argv[1])
    model = sim.AngiogenesisModel(sim.load(task["scenario"], task["overrides"]))

    def advance(steps: int) -> None:
        if hasattr(model, "advance"):  # since 0.2
            model.advance(steps)
        else:
            for _ in range(steps):
                model.step()

    advance(task["relax"])
    blocks = []
    for _ in range(task["blocks"]):
        before = time.process_time(), time.perf_counter()
        advance(task["length"])
        after = time.process_time(), time.perf_counter()
        blocks.append([(b - a) / task["length"] * 1e3 for a, b in zip(before, after, strict=True)])
    print(json.dumps(blocks))


def blocks_of(checkout: Path, task: dict[str, Any]) -> list[list[float]]:
    """Milliseconds per step [CPU, wall] of each block, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", __file__, json.dumps(task)],
        env={**os.environ, "PYTHONPATH": str(checkout), "IN_TURN": str(checkout)},
        cwd=checkout, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    blocks: list[list[float]] = json.loads(done.stdout)
    return blocks


def summary(rounds: list[list[list[float]]], clock: int) -> tuple[float, float]:
    """Milliseconds per step: of the fastest round of each block, and the median round."""
    of_blocks = zip(*rounds, strict=True)
    best = statistics.mean(min(one[clock] for one in block) for block in of_blocks)
    return best, statistics.median(statistics.mean(b[clock] for b in one) for one in rounds)


def in_turn(tasks: dict[Path, dict[str, Any]], rounds: int) -> dict[Path, list[list[list[float]]]]:
    """Measure the task of each checkout in turn."""
    found: dict[Path, list[list[list[float]]]] = {checkout: [] for checkout in tasks}
    for checkout, task in tasks.items():  # compile, and read what the disk has
        blocks_of(checkout, {**task, "relax": 1, "blocks": 1, "length": 2})
    for _ in range(rounds):
        for checkout, task in tasks.items():
            found[checkout].append(blocks_of(checkout, task))
    return found


def main() -> None:
    """Print a table."""
    from sim.tools.bench import PROBLEMS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("problems", nargs="*", help=f"default: {' '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--set-after", action="append", default=[], metavar="KEY=VALUE",
                        help="only for the second, if the first lacks the key")  # fmt: skip
    words = parser.parse_args()
    extra, after = ([one.split("=", 1) for one in each] for each in (words.set, words.set_after))
    print("| problem | clock | before, best | median | after, best | median | after / before |")
    print("|---|---|---|---|---|---|---|")
    for name in words.problems or NAMES:
        task = PROBLEMS[name][0]
        ours = {**task, "overrides": {**task["overrides"], **dict(extra)}}
        tasks = {
            words.before.resolve(): ours,
            words.after.resolve(): {**ours, "overrides": {**ours["overrides"], **dict(after)}},
        }
        one, other = in_turn(tasks, words.rounds).values()
        for k, clock in enumerate(CLOCKS):
            before, then = summary(one, k), summary(other, k)
            row = [f"{ms:.3f}" for ms in (*before, *then)] + [f"{then[0] / before[0]:.3f}"]
            print("|", " | ".join([f"`{name}`", clock, *row]), "|", flush=True)


if __name__ == "__main__":
    work() if "IN_TURN" in os.environ else main()
