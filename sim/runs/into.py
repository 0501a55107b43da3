"""A run and its folder: made, filled, kept or discarded in one place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sim import hooks
from sim.errors import InputError
from sim.runs.folder import LOG, MANIFEST, RunFolder
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    from sim.model.observers import Observer
    from sim.runs.result import Result

logger = logging.getLogger(__name__)


def run_into(
    out: Path | None,
    scenario: Scenario,
    *,
    observers: Sequence[Observer] = (),
    progress: Callable[[int, int], None] | None = None,
    threads: int = 1,
    pictures: bool = True,
) -> Result:
    """Run a scenario into a folder of its own.

    Parameters
    ----------
    out : Path or None
        The folder, new or empty; None for the next free ``runs/NAME-sSEED``.
    scenario, observers, progress, threads
        As for `sim.runs.run.run_scenario`.
    pictures : bool
        Whether to draw the result into the folder.

    Raises
    ------
    InputError
        If the folder is taken or the scenario turns out to be wrong; nothing is left on the disk.
    BaseException
        Whatever ends the run early. What exists is kept; a note says where.
    """
    with RunFolder.create(out, scenario.name, scenario.seed) as folder:
        try:
            from sim.runs.run import run_scenario

            result = run_scenario(
                scenario, observers=observers, progress=progress, folder=folder, threads=threads
            )
            if pictures:
                hooks.call("save_pictures", result, folder.path)
            return result
        except InputError:
            folder.discard()
            raise
        except Exception as error:
            logger.exception("the run failed")
            error.add_note(f"see {folder.path / LOG}")
            raise
        except BaseException as error:
            if (folder.path / MANIFEST).exists():
                error.add_note(f"the results so far are in {folder.path}")
            else:
                folder.discard()
            raise
