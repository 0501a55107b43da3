"""How kernels are compiled follows numba's own settings."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from marks import slow

from sim.errors import InputError
from sim.kernels import cache, compiling
from sim.tools import doctor


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


# --- kept kernels: damaged files are never executed ------------------------------------------


def plus(x: Any) -> Any:
    return x + 1


def times(x: Any) -> Any:
    return x * 10


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which kernels are kept, by themselves."""
    folder = tmp_path / "kernels-1"
    monkeypatch.setattr(compiling, "_CACHE", folder)
    return folder


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbc"))


def compiled(function: Callable[..., Any], *arguments: Any) -> int:
    """Call a kernel as a fresh process would, check what it gives; how often it was compiled."""
    kernel = compiling.kernel(function)
    for argument in arguments:
        assert kernel(argument) == function(argument)
    return sum(kernel.stats.cache_misses.values())


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a flipped bit": lambda data, dice: flipped(data, dice.randrange(8 * len(data))),
    "a flipped bit of the checksum": lambda data, dice: flipped(data, dice.randrange(256)),
    "cut off": lambda data, dice: data[: dice.randrange(len(data))],
    "its beginning lost": lambda data, dice: data[dice.randrange(1, len(data)) :],
    "empty": lambda data, dice: b"",
    "zeros": lambda data, dice: bytes(len(data)),
    "longer": lambda data, dice: data + dice.randbytes(10),
    "of another program": lambda data, dice: dice.randbytes(len(data)),
}


def flipped(data: bytes, bit: int) -> bytes:
    content = bytearray(data)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def test_a_kernel_is_compiled_once_for_each_signature(kept: Path) -> None:
    assert compiled(plus, 1, 1.5) == 2
    assert len(files_in(kept)) == 2
    assert compiled(plus, 1, 1.5) == 0


@pytest.mark.parametrize("rounds", [13, slow(200)])
def test_damage_of_a_kept_kernel_never_goes_unnoticed(kept: Path, rounds: int) -> None:
    compiled(plus, 1)
    (file,) = files_in(kept)
    whole, dice = file.read_bytes(), random.Random(1)
    for damage in DAMAGES.values():
        for _ in range(rounds):
            file.write_bytes(damage(whole, dice))
            assert file.read_bytes() != whole
            assert cache.read(file) is None
            assert not file.exists(), "it is thrown away"
    file.write_bytes(whole)
    assert cache.read(file) is not None


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(13, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_a_damaged_kernel_is_compiled_again(kept: Path, rounds: int) -> None:
    compiled(plus, 1)
    (file,) = files_in(kept)
    dice = random.Random(2)
    for damage in list(DAMAGES.values())[:: 3 if rounds == 1 else 1]:
        for _ in range(rounds):
            file.write_bytes(damage(file.read_bytes(), dice))
            assert compiled(plus, 1) == 1
            assert compiled(plus, 1) == 0, "it is kept again"


def test_swapped_files_are_not_executed(kept: Path) -> None:
    compiled(plus, 1, 1.5)
    one, other = files_in(kept)
    compiled(times, 1)
    (third,) = set(files_in(kept)) - {one, other}
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    assert compiled(plus, 1, 1.5) == 2, "of another signature"
    third.write_bytes(contents[0])
    assert compiled(times, 1) == 1, "of another kernel"


def test_a_kernel_of_other_sources_is_not_executed(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(plus, 1)
    kept.rename(kept.with_name("kernels-2"))
    monkeypatch.setattr(compiling, "_CACHE", kept.with_name("kernels-2"))
    assert compiled(plus, 1) == 1


def test_a_kernel_that_cannot_be_read_or_kept_is_compiled(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(plus, 1)
    (file,) = files_in(kept)
    file.unlink()
    file.mkdir()  # neither a file, nor can one take its place
    assert compiled(plus, 1) == 1
    file.rmdir()

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_bytes_atomic", full)
    assert compiled(plus, 1) == 1
    assert files_in(kept) == []


def test_what_cannot_be_unpickled_is_compiled(kept: Path) -> None:
    compiled(plus, 1)
    (file,) = files_in(kept)
    for body in (b"", b"no pickle", cache.dumps(7)):
        file.write_bytes(cache._checksum(file, body) + body)
        assert compiled(plus, 1) == 1


def test_doctor_finds_damaged_kernels(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(plus, 1, 1.5)
    one, _ = files_in(kept)
    one.write_bytes(b"")
    monkeypatch.setattr(compiling, "cache_folder", lambda: kept)
    monkeypatch.setenv("ANGIOSIM_CACHE_DIR", str(kept.parent))
    found = doctor._kernel_cache()
    assert "1 of 2 kernels were damaged and removed" in found.found
    assert "compiled again" in found.fix
    found = doctor._kernel_cache()
    assert "1 kernels" in found.found and "were damaged" not in found.found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_with_damaged_kernels_is_the_same(tmp_path: Path) -> None:
    program = (
        "import sim; r = sim.run('tube_formation',"
        " {'domain.size_um': [100, 100], 'time.duration_h': 0.05}); print(hash(r.final['cell_id']"
        ".tobytes()), r.summary)"
    )
    environment = {**os.environ, "ANGIOSIM_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert not done.returncode and not done.stderr, done.stderr
        return done.stdout

    before = run()
    for number, file in enumerate(files := files_in(tmp_path)):
        damage = list(DAMAGES.values())[number % len(DAMAGES)]
        file.write_bytes(damage(file.read_bytes(), random.Random(number)))
    assert len(files) > 10
    assert run() == before
