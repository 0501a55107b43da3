"""What is found in a user's table, as files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from sim import hooks
from sim.files import write_text_atomic


def write_json(found: Any, path: Path) -> None:
    """Write what was found as JSON."""
    text = json.dumps(found.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
    write_text_atomic(path, text + "\n")


def write(found: Any, name: str, rows: list[dict[str, Any]], folder: Path) -> None:
    """Write what was found into a folder, which exists: as JSON, as a table, and drawn."""
    write_json(found, folder / f"{name}.json")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(folder / f"{name}.csv", table.getvalue())
    hooks.call("save_figures", {f"{name}.png": found.plot}, folder, None)
