"""How kernels are compiled follows numba's own settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sim.errors import InputError


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().rpartition("\n")[2]


def test_without_compiling_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    error = said("import sim.tissue")
    assert error.startswith(f"{InputError.__module__}.InputError: NUMBA_DISABLE_JIT is set")


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("ENABLE_AVX", "0", "None"),
        ("CPU_NAME", "generic", ""),
        ("CPU_FEATURES", "+sse2", "+sse2"),
    ],
)
def test_a_choice_of_instructions_is_kept(
    name: str, value: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NUMBA_{name}", value)
    features = said("import numba.core.config as c, sim.kernels.compiling; print(c.CPU_FEATURES)")
    assert features == kept
