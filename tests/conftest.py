"""What several tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from typer.testing import CliRunner

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
def angiosim() -> Callable[..., object]:
    """Calls the command line in this process; the outcome has exit_code, stdout and stderr."""

    def call(*words: object) -> object:
        return CliRunner().invoke(app, [str(word) for word in words])

    return call
