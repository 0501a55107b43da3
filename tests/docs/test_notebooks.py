"""The tutorials are notebooks: their cells are sound, and run."""

from __future__ import annotations

import ast
import os
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

tutorials = pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)


def code(page: Path) -> list[str]:
    """Return the code cells of a notebook."""
    fence = r"^```\{code-cell\} ipython3\n(.*?)^```$"
    return re.findall(fence, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_there_is_a_tutorial_for_each_kind_of_user() -> None:
    names = {page.stem for page in TUTORIALS}
    assert names == {"biologist", "cluster", "modeller", "pharmacologist", "plate"}


@tutorials
def test_cells_parse_and_import_what_exists(page: Path) -> None:
    cells = code(page)
    assert len(cells) > 5
    for cell in cells:
        if cell.startswith("%%"):
            continue
        for node in ast.walk(ast.parse(re.sub(r"^%.*$", "", cell, flags=re.MULTILINE))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("sim"):
                module = import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), cell


@pytest.mark.slow
@tutorials
def test_notebooks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient")
    read = pytest.importorskip("myst_nb.core.read").read_myst_markdown_notebook
    scripts = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([scripts, os.environ["PATH"]]))
    notebook = read(page.read_text(encoding="utf-8"))
    where = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, kernel_name="python3", resources=where).execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert any("image/png" in out.get("data", {}) for out in shown) or page.stem == "cluster"
