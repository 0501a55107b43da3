"""What several tests share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from typer.testing import CliRunner

from sim import data
from sim.cli.main import app

# the first example of a test may compile kernels: no deadline; and the same examples every time
settings.register_profile("angiosim", deadline=None, derandomize=True)
settings.load_profile("angiosim")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the data files, to change; what was read before is forgotten."""
    folder = tmp_path / "data"
    shutil.copytree(data.FOLDER, folder)
    monkeypatch.setattr(data, "FOLDER", folder)
    forget()
    yield folder
    forget()


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Runs draw no pictures, which take longer than a small run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.view.run.pictures.save_pictures", lambda *_: None)
        yield


def forget() -> None:
    """Empty all caches of the package."""
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith("sim.") else ():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
def angiosim() -> Callable[..., object]:
    """Calls the command line in this process; the outcome has exit_code, stdout and stderr."""

    def call(*words: object) -> object:
        return CliRunner().invoke(app, [str(word) for word in words])

    return call
