"""A bed goes on from its state with the same bits, whatever the rows; its door is narrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from beds import NUMBERS, bed_of, run, with_mesh, with_parents

import sim.bed
from sim.bed import Bed
from sim.bed.graph import Nodes, Pieces, Tips
from sim.model.bed import empty_bed
from sim.scenario.resolve import load

PARTIAL = (0.6, 0.3, 0.1)
NAMES = [
    "step", "next_id", "next_tip", "area", "diameter0", "phi", "w", "oxygen", "vegf",
    *(f"piece.{name}" for name in ("id", "a", "b", "age", "survival", "pericyte", "no_flow",
                                   "kind", "gone", "velocity")),
    *(f"node.{name}" for name in ("x", "y", "pressure", "trail")),
    *(f"tip.{name}" for name in ("id", "node", "dx", "dy", "age", "path")),
]  # fmt: skip


def drug(step: int) -> tuple[float, float, float]:
    return PARTIAL if step >= 60 else (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def halves() -> tuple[Bed, dict[str, Any], dict[str, Any]]:
    """A bed that was run, its state on the way, and its state at the end."""
    bed = run(with_parents(5), 125, drug)
    middle = bed.state()
    run(bed, 45, drug)
    return bed, middle, bed.state()


def unlike(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    assert one.keys() == other.keys()
    return [k for k in one if not np.array_equal(one[k], other[k], equal_nan=True)]


def continued(state: dict[str, Any], hours: int = 45) -> dict[str, Any]:
    bed = Bed(NUMBERS, 5)
    bed.restore(state)
    return run(bed, hours, drug).state()


def test_names_of_the_state(halves: tuple[Bed, dict[str, Any], dict[str, Any]]) -> None:
    assert list(halves[1]) == NAMES
    assert halves[1]["tip.id"].size > 3  # something goes on


def test_continued_from_its_state(halves: tuple[Bed, dict[str, Any], dict[str, Any]]) -> None:
    _, middle, end = halves
    assert unlike(continued(middle), end) == []
    arrays = {name: np.asarray(value) for name, value in middle.items()}  # as read from a file
    assert unlike(continued(arrays), end) == []


def test_restored_bed_is_the_same(halves: tuple[Bed, dict[str, Any], dict[str, Any]]) -> None:
    bed, _, end = halves
    other = bed_of(5)
    other.restore(end)
    assert unlike(other.state(), end) == []
    assert other.no_path == bed.no_path
    assert other.day == bed.day == pytest.approx(170 / 24)


def test_state_is_a_copy(halves: tuple[Bed, dict[str, Any], dict[str, Any]]) -> None:
    _, middle, end = halves
    before = {name: np.array(value) for name, value in middle.items()}
    continued(middle)
    assert unlike(middle, before) == []
    bed = bed_of(5)
    bed.restore(end)
    state = bed.state()
    for value in state.values():
        if isinstance(value, np.ndarray):
            value[...] = 0
    assert unlike(bed.state(), end) == []


def permuted(state: dict[str, Any], which: str) -> dict[str, Any]:
    """The state with the rows of a table in another order."""
    state = dict(state)
    table = {"piece": Pieces, "tip": Tips, "node": Nodes}[which]
    order = np.random.default_rng(0).permutation(state[f"{which}.{table._fields[0]}"].size)
    for column in table._fields:
        state[f"{which}.{column}"] = state[f"{which}.{column}"][order]
    if which == "node":
        row = np.argsort(order)
        for column in ("piece.a", "piece.b", "tip.node"):
            state[column] = row[state[column]]
    return state


@pytest.mark.parametrize("which", ["piece", "tip"])
def test_order_of_rows_does_not_matter(
    halves: tuple[Bed, dict[str, Any], dict[str, Any]], which: str
) -> None:
    _, middle, end = halves
    assert unlike(continued(permuted(middle, which)), end) == []


def test_order_of_nodes_does_not_matter(
    halves: tuple[Bed, dict[str, Any], dict[str, Any]],
) -> None:
    _, middle, end = halves
    other = continued(permuted(middle, "node"))
    for state in (other, end):
        state.update({f"at {e}": state["node.x"][state[f"piece.{e}"]] for e in "ab"})
    of_rows = {"piece.a", "piece.b", "tip.node"} | {f"node.{name}" for name in Nodes._fields}
    assert set(unlike(other, end)) <= of_rows


def test_same_seed_same_bits_other_seed_another_bed() -> None:
    beds = [run(with_mesh(seed), 12).state() for seed in (1, 1, 2)]
    assert unlike(beds[0], beds[1]) == []
    assert "piece.a" in unlike(beds[0], beds[2])


def test_numbers_of_these_tests_are_those_of_the_assay() -> None:
    shipped = empty_bed(load({"assay": "tumour_bed"}), 1).numbers  # type: ignore[arg-type]
    for name, value in NUMBERS._asdict().items():
        assert getattr(shipped, name) == pytest.approx(value, rel=1e-9), name


def test_whole_numbers_do_as_well() -> None:
    whole = NUMBERS._replace(size_um=2400, arterial_mmHg=(25, 24), T_noflow_h=67)  # type: ignore[arg-type]
    assert all(isinstance(value, float | tuple) for value in Bed(whole, 1).numbers)


@pytest.mark.parametrize(
    "arrays",
    [
        lambda bed: list(bed.pieces), lambda bed: list(bed.nodes), lambda bed: list(bed.tips),
        lambda bed: [bed.phi, bed.w, bed.oxygen, bed.vegf],
    ],
)  # fmt: skip
def test_what_is_shown_cannot_be_written(arrays: Callable[[Bed], list[Any]]) -> None:
    bed = with_mesh()
    for array in arrays(bed):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    run(bed, 1)  # the bed itself can


def test_door() -> None:
    assert sim.bed.__all__ == ["Bed", "Numbers"]


def test_middles_of_a_field() -> None:
    bed = with_mesh()
    a, b, x = bed.pieces.a, bed.pieces.b, bed.nodes.x
    line = (np.arange(120) + 0.5) * 20.0
    assert bed.at_middles(np.repeat(line[None, :], 120, axis=0)) == pytest.approx(
        0.5 * (x[a] + x[b])
    )
