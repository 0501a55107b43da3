"""The pictures of a run folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sim.assays import assay
from sim.errors import FolderError
from sim.runs.folder import FIELDS_PICTURE, TIMESERIES_PICTURE, TRACKS, TRACKS_PICTURE
from sim.version import __version__
from sim.view import canvas
from sim.view.run.end import draw_end
from sim.view.run.fields import draw_fields, field_names
from sim.view.run.frame import Snapshot
from sim.view.run.timeseries import draw_timeseries
from sim.view.run.tracks import draw_tracks


def drawings_of(result: Snapshot) -> canvas.Drawings:
    """Return how to draw the assay's picture, the time series, and fields and tracks if any."""
    drawings = {Path(assay(result.scenario.assay).picture_file).stem: partial(draw_end, result)}
    if field_names(result):
        drawings[Path(FIELDS_PICTURE).stem] = partial(draw_fields, result)
    if TRACKS in result.tables:
        drawings[Path(TRACKS_PICTURE).stem] = partial(draw_tracks, result)
    drawings[Path(TIMESERIES_PICTURE).stem] = partial(draw_timeseries, result)
    return drawings  # type: ignore[return-value]


def marks_of(result: Snapshot) -> canvas.Marks:
    """Return what the pictures of a run say of themselves."""
    return canvas.Marks(
        title=str(result.scenario.name),
        version=str(result.manifest.get("version", __version__)),
        scenario_hash=str(result.manifest.get("scenario_hash", "")),
        seed=result.seed,
    )


def save_pictures(result: Snapshot, folder: str | Path, *, replace: bool = True) -> list[Path]:
    """Write the assay's picture, `timeseries.png`, and `fields.png` and `tracks.png` if there are.

    The same result gives the same bytes. Title, version, scenario hash and seed are in the PNG text
    chunks. A picture that cannot be drawn is left out with a warning.

    Parameters
    ----------
    result : Result
        A finished run.
    folder : str or Path
        Where to write; made if it does not exist.
    replace : bool
        Whether older pictures are replaced, as in the run's own folder; else they are an error.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    FolderError
        If a picture exists and is not to be replaced.
    """
    folder = Path(folder)
    drawings = {f"{name}.png": draw for name, draw in drawings_of(result).items()}
    if not replace and (taken := [name for name in drawings if (folder / name).exists()]):
        raise FolderError(
            f"{folder}: {', '.join(taken)} already there, and existing files are never "
            "overwritten; choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return canvas.save_pictures(drawings, folder, marks_of(result))
