from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim import files
from sim.errors import AngiosimError, InputError, Interrupted, Problem, ScenarioError, shown


def write_all(folder: Path) -> None:
    files.write_npz_atomic(folder / "file", {"a": np.arange(5)})


def test_bytes_and_text_are_written_as_given(tmp_path: Path) -> None:
    files.write_bytes_atomic(tmp_path / "a", b"\x00\r\n")
    files.write_text_atomic(tmp_path / "b", "µ\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\r\n"
    assert (tmp_path / "b").read_bytes() == "µ\n".encode()
    files.write_text_atomic(tmp_path / "b", "new")
    assert (tmp_path / "b").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files.write_text_atomic(tmp_path / "a", "")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays = {"b": np.eye(3), "a": np.array([True, False]), "c": np.float64(2.5)}
    files.write_npz_atomic(tmp_path / "1.npz", arrays)
    os.utime(tmp_path / "1.npz", (0, 0))
    files.write_npz_atomic(tmp_path / "2.npz", dict(reversed(arrays.items())))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    with np.load(tmp_path / "1.npz") as loaded:
        assert sorted(loaded) == ["a", "b", "c"]
        for name in loaded:
            np.testing.assert_array_equal(loaded[name], arrays[name])


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    (tmp_path / "file").write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(error)):
        write_all(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_the_file_reaches_the_disk_before_its_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def noted(name: str) -> Callable[..., object]:
        original = getattr(os, name)

        def call(*words: object) -> object:
            order.append(name)
            return original(*words)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    write_all(tmp_path)
    assert order[:2] == ["fsync", "replace"]


def test_read_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('format = 1\nname = "µ"\n', encoding="utf-8")
    assert files.read_toml(path) == {"format": 1, "name": "µ"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a = ", "not valid TOML"),
        (b"a = 1\na = 2\n", "not valid TOML"),
        (b"\xff\xfe", "not a text file"),
        (None, "no such file"),
    ],
)
def test_read_toml_says_which_file_is_wrong(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        files.read_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


def test_read_toml_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        files.read_toml(tmp_path)


def test_sha256() -> None:
    assert (
        files.sha256("µ") == files.sha256("µ".encode()) == hashlib.sha256(b"\xc2\xb5").hexdigest()
    )


def test_a_scenario_error_lists_every_problem_and_survives_pickling() -> None:
    error = ScenarioError(
        "a.toml",
        [
            Problem("cells.count", -3, "must be above 0"),
            Problem("cels", None, "is not a known key", "did you mean 'cells'?"),
            Problem("", None, "is empty"),
        ],
    )
    assert str(error).splitlines() == [
        "a.toml: 3 problems",
        "  cells.count = -3: must be above 0",
        "  cels: is not a known key (did you mean 'cells'?)",
        "  is empty",
    ]
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.problems == error.problems


def test_a_long_value_is_cut() -> None:
    line = str(Problem("key", "x" * 500, "must be short"))
    assert len(line) < 100
    assert line.endswith("...: must be short")


def test_exit_codes() -> None:
    assert AngiosimError("").exit_code == 4
    assert ScenarioError("", []).exit_code == InputError("").exit_code == 2
    assert Interrupted(2).exit_code == 130
    assert pickle.loads(pickle.dumps(Interrupted(15))).exit_code == 143


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (168.0, "168"),
        (np.float64(0.5), "0.5"),
        (-1e-9, "-1e-09"),
        (float("inf"), "inf"),
        (7, "7"),
        ("a", "'a'"),
        ([True, 2.0, "x"], "[true, 2, 'x']"),
        ({"a": {"b": False}, "c": [1.0]}, "{a = {b = false}, c = [1]}"),
        ({}, "{}"),
        ([0.5] * 100, "[" + "0.5, " * 11 + "0..."),
    ],
)
def test_values_are_shown_as_files_have_them(value: object, written: str) -> None:
    assert shown(value) == written
    assert shown(10**5000) == "a number of too many digits"
