"""The sweep made for a scenario: as it is defined, and to the bit as the general one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from lattices import place, rules
from naive import potts as naive
from naive import tiles as naive_tiles

from sim.tissue import Tissue, potts
from sim.tissue.attractants import Attractants
from sim.tissue.cells import CellStore
from sim.tissue.energy import Rules
from sim.tissue.fields import Field
from sim.tissue.forms import LONGEST_PATCH, LONGEST_TILE, Form
from sim.tissue.lattice import REACH, Grid, patch_axis
from sim.tissue.tiles import TILE_SIDE, tiles_along

AREA, LENGTH, PENALTY, SATURATION, FACTOR = 45.0, 18.0, 90.0, 0.2, 2
TEMPERATURE, J_CM, J_CC, J_CW, LAMBDA = 20.0, 8.0, 12.0, 30.0, 2.0

Options = dict[str, Any]

OPTIONS: Options = {
    "periodic": [True, False],
    "length": [0.0, 3.0],
    "connectivity": ["none", "soft", "hard", "authors"],
    "tissue": [0.0, 70.0],
    "fine": [None, np.float64, np.float32],
    "coarse": [0, 1, 3],
    "push": [False, True],
    "shape": [(104, 110), (151, 201)],
    "acts_on": ["both", "extension"],
    "contact_inhibited": [True, False],
}
PLAIN: Options = {name: values[0] for name, values in OPTIONS.items()}
FORMS: dict[str, Options] = {
    "plain": {},
    "walls": {"periodic": False},
    "a cue": {"fine": np.float64},
    "a cue in single precision": {"fine": np.float32, "contact_inhibited": False},
    "long": {"length": 3.0, "connectivity": "authors"},
    "tubes": {
        "length": 3.0, "connectivity": "soft", "fine": np.float64, "coarse": 1,
        "acts_on": "extension",
    },
    "walls, long and with a push": {
        "periodic": False, "length": 3.0, "connectivity": "hard", "push": True,
    },
    "three ligands": {"coarse": 3, "shape": (151, 201)},
    "a cue and three ligands": {"fine": np.float32, "coarse": 3, "contact_inhibited": False},
    "a tissue that holds together": {"tissue": 70.0, "connectivity": "soft", "length": 3.0},
    "a tissue between walls": {"tissue": 70.0, "periodic": False, "push": True},
    "the longest tiles": {"periodic": False, "fine": np.float64, "shape": (199, 199)},
}  # fmt: skip


class Case:
    """Cells on a lattice and the fields that they follow."""

    def __init__(self, **options: Any) -> None:
        chosen = PLAIN | options
        self.periodic: bool = chosen["periodic"]
        self.chosen = chosen
        rng, (height, width) = np.random.default_rng(5), chosen["shape"]
        self.sites = np.zeros((height, width), np.int32)
        corners = itertools.product(range(0, height - 6, 8), range(0, width - 6, 8))
        for row, (y, x) in enumerate(corners, start=1):
            self.sites[y : y + 6, x : x + 6 + row % 3] = row
        self.n = int(self.sites.max())
        self.fields = []
        for k in range(chosen["coarse"]):
            values = rng.uniform(0, 4, (height // FACTOR, width // FACTOR))
            self.fields.append(field(f"ligand {k}", values, FACTOR))
        if chosen["fine"] is not None:
            values = rng.uniform(0, 4, (height, width)).astype(chosen["fine"])
            self.fields.insert(0 if chosen["coarse"] > 1 else 1, field("cue", values, 1))
        self.mu = rng.uniform(10, 60, (self.n + 2, len(self.fields)))
        self.angle = rng.uniform(0, 7, self.n + 2)

    def rules(self) -> Rules:
        k = len(self.fields)
        return rules(
            Grid(*self.sites.shape, self.periodic),
            temperature=TEMPERATURE,
            J=[[0, J_CM, 0], [J_CM, J_CC, J_CW], [0, J_CW, 0]],
            stiffness=[[0, 0], [LAMBDA, self.chosen["length"]], [0, 0]],
            connectivity=self.chosen["connectivity"],
            penalty=PENALTY,
            tissue_penalty=self.chosen["tissue"],
            contact_inhibited=[self.chosen["contact_inhibited"], False, True, False][:k],
            acts_on=[self.chosen["acts_on"], "both", "extension", "both"][:k],
            saturation=[SATURATION, 0.0, 0.3, 0.1][:k],
        )

    def place(self) -> tuple[np.ndarray, CellStore, Grid]:
        lattice, cells, grid = place(
            self.sites, [1] * self.n, periodic=self.periodic, fields=len(self.fields),
            target=(AREA, LENGTH),
        )  # fmt: skip
        cells["mu"][1:-1] = self.mu[1:-1]
        if self.chosen["push"]:
            cells["push"][1:-1] = 9.0 * self.direction()[1:-1]
        return lattice, cells, grid

    def direction(self) -> np.ndarray:
        return np.stack([np.sin(self.angle), np.cos(self.angle)], axis=1)

    def made(self, steps: int, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Lattice and moments after some steps of the sweep that is made for this case."""
        lattice, cells, grid = self.place()
        assert Form.fits(self.rules(), grid, self.fields)
        form = Form(self.rules(), grid, self.fields)
        assert form.fits_now(cells.arrays())
        for step in range(steps):
            form.sweep(lattice, cells.arrays(), 9, step, threads)
            cells.recentre(lattice, grid, reach=8)
        return lattice, cells["moments"]

    def general(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of the general sweep."""
        lattice, cells, grid = self.place()
        for step in range(steps):
            followed = Attractants.of(self.fields)
            potts.sweep(lattice, followed, cells.arrays(), self.rules(), grid, 9, step)
            cells.recentre(lattice, grid, reach=8)
        return lattice, cells["moments"]

    def defined(self, steps: int) -> np.ndarray:
        """Lattice after some steps of the sweep in plain Python."""
        hard = self.chosen["connectivity"] == "hard"
        physics = {
            "T": TEMPERATURE, "J_cm": J_CM, "J_cc": J_CC, "J_cw": J_CW, "lambda_area": LAMBDA,
            "A": AREA, "lambda_length": self.chosen["length"], "L": LENGTH, "copy_sites": 8,
            "contact_sites": 8, "authors": self.chosen["connectivity"] == "authors",
            "tissue_penalty": self.chosen["tissue"],
            "penalty": {"none": 0.0, "hard": np.inf}.get(self.chosen["connectivity"], PENALTY),
        }  # fmt: skip
        assert hard == np.isinf(physics["penalty"])
        levels = [by_site(each, self.sites.shape, self.periodic) for each in self.fields]
        rules = self.rules()

        def work(now: np.ndarray, source: naive.Site, target: naive.Site) -> float:
            total = 0.0
            for k, level in enumerate(levels):
                total += naive.chemotaxis_work(
                    now, level, source, target, self.mu[:, k], float(rules.saturation[k]),
                    bool(rules.contact_inhibited[k]),
                    [self.chosen["acts_on"], "both", "extension", "both"][k],
                )  # fmt: skip
            if self.chosen["push"]:
                strength = np.full(self.n + 2, 9.0)
                total += naive.persistence_work(
                    now, source, target, strength, self.direction(), self.periodic
                )
            return total

        sites = self.sites
        for step in range(steps):
            sites = naive_tiles.sweep(sites, 9, step, physics, periodic=self.periodic, work=work)
        return sites


def field(name: str, values: np.ndarray, factor: int) -> Field:
    return Field(name, values, factor, 0.1, "no_flux", "explicit", 1)


def by_site(field: Field, shape: tuple[int, int], periodic: bool) -> np.ndarray:
    """A field at every site, linear between the centres of its voxels."""
    where = np.meshgrid(*((np.arange(n) + 0.5) / field.factor - 0.5 for n in shape), indexing="ij")
    mode = "grid-wrap" if periodic else "nearest"
    return scipy.ndimage.map_coordinates(
        field.values.astype(np.float64), where, order=1, mode=mode, prefilter=False
    )


def check(options: Options, *, defined: int, general: int) -> None:
    case = Case(**options)
    lattice, _ = case.made(defined)
    assert (lattice == case.defined(defined)).all()
    assert (lattice != case.sites).mean() > 0.05
    for made, wanted in zip(case.made(general), case.general(general), strict=True):
        assert (made == wanted).all()


QUICK = ("three ligands", "walls, long and with a push")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FORMS]
)
def test_a_form_is_the_sweep_of_its_definition_and_of_the_general_kernel(name: str) -> None:
    check(FORMS[name], defined=2, general=25)


def pairwise(options: Options) -> list[Options]:
    """A few choices in which each pair of values of two options occurs."""
    names, wanted = list(options), set()
    for a, b in itertools.combinations(names, 2):
        values = itertools.product(range(len(options[a])), range(len(options[b])))
        wanted |= {(a, i, b, j) for i, j in values}
    rng, chosen = np.random.default_rng(0), []
    while wanted:
        best: tuple[int, dict[str, int]] = (-1, {})
        for _ in range(200):
            pick = {name: int(rng.integers(len(options[name]))) for name in names}
            new = sum(pick[a] == i and pick[b] == j for a, i, b, j in wanted)
            best = max(best, (new, pick), key=lambda each: each[0])
        pick = best[1]
        wanted -= {(a, i, b, j) for a, i, b, j in wanted if pick[a] == i and pick[b] == j}
        chosen.append({name: options[name][k] for name, k in pick.items()})
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("options", pairwise(OPTIONS))
def test_every_pair_of_options(options: Options) -> None:
    check(options, defined=2, general=40)


@pytest.mark.parametrize("name", ["plain", "tubes"])
def test_no_bit_of_a_form_depends_on_the_number_of_threads(name: str) -> None:
    case = Case(**FORMS[name] | {"shape": (302, 304)})
    alone = case.made(5)
    for threads in (2, 3, 4):
        for one, other in zip(case.made(5, threads), alone, strict=True):
            assert (one == other).all()


def test_a_form_has_room_for_the_longest_tile() -> None:
    found = 0
    for side in range(2 * TILE_SIDE, 2000):
        tiles = tiles_along(side)
        cuts = [k * side // tiles for k in range(tiles + 1)]
        found = max(found, *np.diff(cuts).tolist())
    assert found == LONGEST_TILE
    assert len(patch_axis(150, LONGEST_TILE, 199, False)) == LONGEST_PATCH
    assert LONGEST_PATCH**2 < 2**16


def test_places_are_found_without_dividing() -> None:
    """As `attempts.draw_attempts` and `specialised.sweep_tile` divide by tile widths and rows."""
    for width in range(TILE_SIDE, LONGEST_TILE + 1):
        index = np.arange(LONGEST_TILE**2, dtype=np.uint32)
        share = np.uint32(2**21 // width + 1)
        assert (index * share >> np.uint32(21) == index // np.uint32(width)).all()
        for row in (width + 2 * REACH, width + 3 * REACH):
            site = np.arange(row * LONGEST_PATCH, dtype=np.uint64)
            share_64 = np.uint64(2**32 // row + 1)
            assert (site * share_64 >> np.uint64(32) == site // np.uint64(row)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"J": [[0, 8, 0], [8, 12.5, 30], [0, 30, 0]]},
        {"J": np.zeros((4, 4)), "stiffness": np.zeros((4, 2))},
        {"stiffness": [[0, 0], [0.5, 0], [0, 0]]},
        {"J": [[0, 8, 0], [8, 1e30, 30], [0, 30, 0]]},
        {"J": [[0, 8, 0], [8, np.nan, 30], [0, 30, 0]]},
        {"stiffness": [[0, 0], [1e10, 0], [0, 0]]},
        {"temperature": 1e19},
        {"copy_sites": 4},
        {"contact_sites": 20},
        {"shape": (99, 200)},
        {"fields": [1, 1]},
        {"fields": [2, 4]},
        {"fields": [2, 1, 2]},  # added up in another order
        {"acts_on": ["retraction"], "fields": [1]},
    ],
)
def test_what_a_form_does_not_fit_is_left_to_the_general_sweep(change: dict[str, Any]) -> None:
    shape = change.pop("shape", (200, 200))
    fields = [
        field(str(k), np.ones((shape[0] // factor, shape[1] // factor)), factor)
        for k, factor in enumerate(change.pop("fields", []))
    ]
    n = len(fields)
    options: dict[str, Any] = {
        "contact_inhibited": [False] * n, "acts_on": ["both"] * n, "saturation": [0.0] * n,
    }  # fmt: skip
    grid = Grid(*shape, True)
    assert not Form.fits(rules(grid, **options | change), grid, fields)
    if "acts_on" not in change:
        assert Form.fits(rules(Grid(200, 200, True)), Grid(200, 200, True), [])


def test_cells_that_a_form_does_not_fit_are_left_to_the_general_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Target areas that are not whole; cells so large that their sums are not exact."""
    made = Case()
    lattice, cells, _ = made.place()
    tissue = Tissue(lattice, cells, [], [], made.rules(), periodic=True)
    called = []
    monkeypatch.setattr(potts, "sweep", lambda *_: called.append(1))
    tissue.sweep(1, 0)
    assert not called
    for step, area in enumerate((45.5, 1e15, np.inf, np.nan), start=1):
        cells["target"][3, 0] = area
        tissue.sweep(1, step)
        assert len(called) == step
    cells["target"][3, 0] = 45.0
    cells["moments"][3, 0] = 10**6
    tissue.sweep(1, 5)
    assert len(called) == 5


SECOND = """
import sys
from sim.kernels.compiling import when_compiling
import test_specialised
compiled = []
with when_compiling(lambda: compiled.append(1)):
    test_specialised.Case(fine=test_specialised.np.float32).made(1)
print(len(compiled))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANGIOSIM_CACHE_DIR", str(tmp_path))
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1]), *filter(None, sys.path)]
    monkeypatch.setenv("PYTHONPATH", ":".join(folders))
    found = [
        subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [each.stdout.strip() for each in found] == ["1", "0"]
