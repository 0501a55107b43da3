"""A treatment cycle asked with fresh tube assays: anlotinib 12 mg, two weeks on, one off.

Networks coarsen by themselves within days, so at each chosen time a fresh 6 h assay is begun in the
free drug of that time, and each is compared with an untreated assay of the same age and seed.

    python examples/human_cycle.py [human_cycle.png [kp_uu]]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from matplotlib.figure import Figure

import sim

DAYS = (1, 2, 5, 8, 15, 18, 22)  # an assay begins with each; day 1 begins with the first dose
SEEDS = range(1, 9)


def network_length_mm(job: tuple[int | None, int, float]) -> float:
    """Network length at 6 h of an assay begun with a day; None is the control."""
    day, seed, kp_uu = job
    if day is None:
        return sim.run("tube_formation", seed=seed).summary["tube_length_mm"]
    overrides = {"time.start_h": 24 * (day - 1), "drug.kp_uu": kp_uu}
    return sim.run("human_12mg", overrides, seed=seed).summary["tube_length_mm"]


def percent_of_control(kp_uu: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over seeds, a value for each of DAYS."""
    jobs = [(day, seed, kp_uu) for day in (None, *DAYS) for seed in SEEDS]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        lengths = np.array(list(pool.map(network_length_mm, jobs))).reshape(-1, len(SEEDS))
    percent = 100 * lengths[1:] / lengths[0]
    return percent.mean(axis=1), percent.std(axis=1, ddof=1) / np.sqrt(len(SEEDS))


def draw(mean: np.ndarray, error: np.ndarray, kp_uu: float) -> Figure:
    """Concentration, inhibition and network on one time axis."""
    figure = Figure(figsize=(9, 8.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 1))
    course = sim.pk("human_12mg", {"drug.regimen.cycles": 1, "drug.kp_uu": kp_uu}, subjects=200)
    upper = course.plot(fig=top).axes[1]
    upper.set_xlabel("")
    lower = bottom.subplots()
    lower.sharex(upper)
    lower.errorbar(DAYS, mean, error, marker="o", capsize=3, color="#22262b")
    lower.set(
        xlim=(0.7, 22.3),
        xticks=(1, 8, 15, 22),
        ylim=(0, 110),
        xlabel="day with which a fresh assay begins; mean ± SE of 8 seeds",
        ylabel="network length (% of control)",
    )
    lower.secondary_yaxis("right").set_ylabel(" ")  # as wide as the panels above
    lower.axhline(100, color="#c9c6bf", zorder=0)
    return figure


if __name__ == "__main__":
    picture = sys.argv[1] if len(sys.argv) > 1 else "human_cycle.png"
    kp_uu = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    mean, error = percent_of_control(kp_uu)
    for day, value, spread in zip(DAYS, mean, error, strict=True):
        print(f"begun with day {day}: {value:.1f} +- {spread:.1f} % of control")
    draw(mean, error, kp_uu).savefig(picture, dpi=130)
