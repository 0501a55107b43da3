"""Bad files of every kind, each with the message that a user gets for it.

``messages.txt`` in each folder of `tests/bad_files` holds, for each file there, the command and
what it prints. After a change of words, ``python tests/unit/test_bad_files.py`` writes them anew:
read what has changed as a user would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

TESTS = Path(__file__).parents[1]
FOLDER, MESSAGES = TESTS / "bad_files", "messages.txt"
DOSED = '[drug]\ndoses_csv = "FILE"\n'
FITTED = """base = "tube_formation"
[parameters]
"drug.ic50_nM.VEGFR2" = [0.5, 50]
[data]
file = "FILE"
relative_error = 0.1
"""
READERS = {"doses": 'extends = "rat_oral"\n' + DOSED, "data": FITTED}
"""What reads the tables: `reader.toml` beside them."""
COMMANDS = {
    "runs": ["run", "--from", "FILE"],
    "folders": ["merge", "FILE", "--out", "merged"],
    **{kind: ["validate", "reader.toml"] for kind in READERS},
}


def bad_files(kind: str) -> list[str]:
    return sorted(path.name for path in (FOLDER / kind).iterdir() if path.name != MESSAGES)


KINDS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
ALL = [(kind, name) for kind in KINDS for name in bad_files(kind)]


def words_for(kind: str, name: str) -> list[str]:
    words = COMMANDS.get(kind, ["validate", "FILE"])
    return [name if word == "FILE" else word for word in words]


def messages(kind: str) -> dict[str, str]:
    """The message of each file of a kind."""
    text = (FOLDER / kind / MESSAGES).read_text(encoding="utf-8")
    found = re.findall(r"^\$ angiosim .*  # (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    return dict(found)


def prepare(kind: str, name: str, place: Path) -> None:
    """Copy all files of a kind into a folder, with what reads a table."""
    shutil.copytree(FOLDER / kind, place, dirs_exist_ok=True)
    (place / MESSAGES).unlink(missing_ok=True)
    if kind in READERS:
        (place / "reader.toml").write_text(READERS[kind].replace("FILE", name))


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_its_message(kind: str) -> None:
    assert list(messages(kind)) == bad_files(kind)


def test_there_are_enough_bad_files() -> None:
    assert len(ALL) >= 180
    assert {*KINDS} == {"scenarios", "studies", "calibrations", "designs", "drugs", "doses",
                        "data", "runs", "folders"}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), ALL, ids=lambda word: word)
def test_messages(kind: str, name: str, workplace: Path, angiosim: Callable[..., Any]) -> None:
    prepare(kind, name, workplace)
    before = sorted(workplace.rglob("*"))
    outcome = angiosim(*words_for(kind, name))
    assert outcome.stderr == messages(kind)[name], "see the first lines of this test file"
    assert outcome.exit_code in (2, 4 if kind == "runs" else 2)
    assert outcome.stdout == ""
    assert sorted(workplace.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), ALL[::6], ids=lambda word: word)
def test_messages_of_the_command(kind: str, name: str, workplace: Path) -> None:
    prepare(kind, name, workplace)
    done = subprocess.run(
        [sys.executable, "-c", "from sim.cli.main import main; main()", *words_for(kind, name)],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(TESTS.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stderr == messages(kind)[name]
    assert done.returncode in (2, 4 if kind == "runs" else 2)


def transcripts(kind: str, place: Path) -> Iterator[str]:
    """What ``messages.txt`` holds for each file."""
    from sim.cli.main import app

    for name in bad_files(kind):
        prepare(kind, name, place)
        words = words_for(kind, name)
        outcome = CliRunner().invoke(app, words)
        yield f"$ angiosim {' '.join(words)}  # {name}\n{outcome.stderr}"


if __name__ == "__main__":
    import tempfile

    for each in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            text = "".join(transcripts(each, Path(folder)))
            os.chdir(TESTS)
        (FOLDER / each / MESSAGES).write_text(text, encoding="utf-8")
