"""What CONTRIBUTING says of the code is true of the code."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from sim.version import FLOORS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(sim(?:\.\w+)+)`", TEXT)))
FILES = sorted(set(re.findall(r"`((?:sim|tests|docs|benchmarks|scenarios)/[\w/.-]*)`", TEXT)))


def section(title: str) -> str:
    """Return the text below a heading, up to the next one."""
    return re.split(r"\n##+ ", TEXT.partition(f" {title}\n")[2])[0]


def test_the_layout_is_that_of_the_floors() -> None:
    rows = re.findall(r"^\| (\d) \| (.*?) \|", section("Layout"), re.MULTILINE)
    floors = {int(floor): re.findall(r"`(\w+)`", rooms) for floor, rooms in rows}
    assert floors == {
        number: [room or "sim" for room in rooms] for number, rooms in enumerate(FLOORS)
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name: str) -> None:
    parts = name.split(".")
    found = import_module("sim")
    for place, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            import_module(".".join(parts[:place]))
        found = getattr(found, part)


@pytest.mark.parametrize("file", [name for name in FILES if "NAME" not in name])
def test_files_exist(file: str) -> None:
    assert file.endswith(("LIGAND.toml", "RECEPTOR.toml")) or (ROOT / file).exists()


@pytest.mark.parametrize(
    "title", ["From `angiosim run` to the picture", "From `angiosim sweep` to `dose_response.json`"]
)
def test_a_walk_takes_ten_lines(title: str) -> None:
    assert len(re.findall(r"^\d+\. .*`sim\.", section(title), re.MULTILINE)) >= 9
    assert len(re.findall(r"^\d+\. ", section(title), re.MULTILINE)) == 10
