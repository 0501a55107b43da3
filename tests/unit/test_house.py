"""The rules of the house that a machine can read: floors, circles, doors, length of files."""

from __future__ import annotations

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from sim.kernels.compiling import SOURCES
from sim.version import FLOORS

ROOT = Path(__file__).parents[2]
PLACE = {
    room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms)
}
LONGEST = 500
"""Lines of a file of the package."""

WHAT_CELLS_DO = {"chemotaxis"}  # the name of an assay, too
NAMES_OF_ASSAYS = {"sim.tools.bench", "sim.cli.main"}
"""What is measured is data, and the command line has a default."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted((ROOT / "sim").rglob("*.py"))}


def room(module: str) -> str:
    """The room of a module; ``""`` is the package itself."""
    return module.partition(".")[2].partition(".")[0]


def imported(path: Path) -> set[str]:
    """What a file imports, also inside functions and for type checkers: full names of modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in MODULES else node.module)
    return names


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


def test_every_room_is_in_the_table() -> None:
    assert {room(module) for module in MODULES} <= PLACE.keys()


def test_rooms_import_from_below_or_their_left() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in MODULES
        for other in IMPORTS[module] & MODULES.keys()
        if PLACE[room(other)] > PLACE[room(module)]
    ]
    assert not wrong


def test_there_are_no_circles() -> None:
    order = list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError otherwise
    assert set(MODULES) <= set(order)


def test_private_names_stay_in_their_module() -> None:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sim":
                private = [a.name for a in node.names if re.match(r"_(?!_)", a.name)]
                assert not private, f"{module} imports {private} of {node.module}"


def test_no_file_is_too_long() -> None:
    lines = {m: len(path.read_text(encoding="utf-8").splitlines()) for m, path in MODULES.items()}
    assert {m for m, count in lines.items() if count > LONGEST} == set()


def test_every_dependency_has_a_lowest_version() -> None:
    """`.ci/lowest.py` pins to it what is tested; extras of one library agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["test"]]:
        assert re.fullmatch(r"[A-Za-z][A-Za-z\d-]*>=[\d.]+(,<\d+)?", requirement)
    assert set(extras["test"]) >= {extras["calib"][0], extras["analysis"][0], *extras["report"]}


def test_only_the_model_knows_mesa() -> None:
    know = {m for m, names in IMPORTS.items() if any(n.split(".")[0] == "mesa" for n in names)}
    assert know and {room(module) for module in know} == {"model"}


def test_nothing_up_to_the_model_imports_matplotlib() -> None:
    """Up to the model, matplotlib is a name for type checkers, in the one hook that has it."""
    for module, names in IMPORTS.items():
        if PLACE[room(module)][0] <= PLACE["model"][0] and module != "sim.hooks":
            assert not {n for n in names if n.split(".")[0] == "matplotlib"}, module


def test_kernels_know_neither_scenarios_nor_units() -> None:
    """Kernels take arrays and numbers: neither scenarios nor units lie below them."""
    below = {"tissue": {"tissue", "kernels"}, "bed": {"bed", "kernels", "errors"}}
    for module in filter(lambda name: room(name) in below, MODULES):
        for other in IMPORTS[module] & MODULES.keys():
            assert room(other) in below[room(module)], f"{module} imports {other}"


@pytest.mark.parametrize("inside", ["tissue", "bed"])
def test_the_lattice_is_entered_by_its_door(inside: str) -> None:
    for module in (m for m in MODULES if room(m) != inside):
        for other in IMPORTS[module] & MODULES.keys():
            assert not other.startswith(f"sim.{inside}."), f"{module} imports {other}"


def test_an_assay_is_named_in_its_folder_alone() -> None:
    """Docstrings count; the default of the command line and the benchmarks are choices."""
    assays = [path.parent.name for path in (ROOT / "sim" / "assays").glob("*/__init__.py")]
    assert assays
    for assay in set(assays) - WHAT_CELLS_DO:
        name = re.compile(assay.replace("_", "[ _-]"), re.IGNORECASE)
        for module in MODULES.keys() - NAMES_OF_ASSAYS:
            if not f"{module}.".startswith(f"sim.assays.{assay}."):
                text = MODULES[module].read_text(encoding="utf-8")
                assert not name.search(text), f"{module} names {assay}"


def test_compiled_kernels_are_cached_by_all_their_sources() -> None:
    with_kernels = {
        room(module)
        for module, path in MODULES.items()
        if re.search(r"^@(kernel|lean|inlined)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert with_kernels <= set(SOURCES)
