"""What the commands about a user's own tables share: where results go, and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.cli.common import say


def write_new(found: Any, source: Path, out: Path | None, ending: str) -> Path:
    """Write what was found into a new folder; existing files are never overwritten."""
    from sim.lab.table import default_folder
    from sim.runs.folder import make_new

    folder, _ = make_new(out or default_folder(source, ending), numbered=out is None)
    found.write(folder)
    return folder


def print_json(found: Any) -> None:
    """Print what was found as JSON."""
    import json

    say(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
