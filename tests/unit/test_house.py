"""The rules of the house that a machine can read: floors, circles, and who knows Mesa."""

from __future__ import annotations

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from sim.tissue.kernel import SOURCES

ROOT = Path(__file__).parents[2]
FLOORS: dict[str, float] = {
    "sim.errors": 0, "sim.units": 0, "sim.files": 0, "sim.data": 0,
    "sim.tissue": 1, "sim.pharmacology": 1, "sim.assay": 1, "sim.fits": 1,
    "sim.signalling": 2, "sim.scenario": 2, "sim.agents": 2,
    "sim.assembly": 2.5,
    "sim.model": 3,
    "sim.study": 4,
    "sim.view": 5,
    "sim.api": 6, "sim": 6,
    "sim.__main__": 7, "sim.cli": 7, "sim.tools": 7,
}  # fmt: skip


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted((ROOT / "sim").rglob("*.py"))}


def floor(module: str) -> float:
    """The floor of a module: its own, or that of the package around it."""
    return FLOORS[module] if module in FLOORS else floor(module.rpartition(".")[0])


def at_run_time(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """All imports but those for type checkers, also those inside functions."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found += [node] if isinstance(node, ast.Import | ast.ImportFrom) else at_run_time(node)
    return found


def imported(path: Path) -> set[str]:
    """What a file imports: full names of modules, of this package or others."""
    names: set[str] = set()
    for node in at_run_time(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            continue
        assert node.level == 0 and node.module, f"{path}: imports are absolute"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            if whole != "sim.__version__":  # a mere text, which every floor may know
                names.add(whole if whole in MODULES else node.module)
    return names


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_from_their_own_floor_or_below(module: str) -> None:
    for other in IMPORTS[module] & MODULES.keys():
        assert floor(other) <= floor(module), f"{module} imports {other}"


def test_there_are_no_circles() -> None:
    order = list(TopologicalSorter(IMPORTS).static_order())  # raises CycleError otherwise
    assert set(MODULES) <= set(order)


def test_every_dependency_has_a_lowest_version() -> None:
    """`.ci/lowest.py` pins to it what is tested; extras of one library agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["test"]]:
        assert re.fullmatch(r"[A-Za-z-]+>=[\d.]+(,<\d+)?", requirement)
    assert set(extras["test"]) >= {extras["calib"][0], extras["analysis"][0]}


def test_only_the_model_and_its_agents_know_mesa() -> None:
    know = {m for m, names in IMPORTS.items() if any(n.split(".")[0] == "mesa" for n in names)}
    assert know == {"sim.model", "sim.agents"}


def test_the_tissue_stands_alone() -> None:
    """Kernels take arrays and numbers: neither scenarios nor units lie below them."""
    for module in filter(lambda name: name.startswith("sim.tissue"), MODULES):
        assert all(other.startswith("sim.tissue") for other in IMPORTS[module] & MODULES.keys())


def test_compiled_kernels_are_cached_by_all_their_sources() -> None:
    with_kernels = {
        module.split(".")[1]
        for module, path in MODULES.items()
        if re.search(
            r"^@(kernel|inlined|threaded)$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert with_kernels == set(SOURCES)
