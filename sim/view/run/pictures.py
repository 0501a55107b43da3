"""The pictures of a run folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sim.assays import assay
from sim.runs.folder import FIELDS_PICTURE, TIMESERIES_PICTURE, TRACKS, TRACKS_PICTURE
from sim.version import __version__
from sim.view import canvas
from sim.view.run.end import draw_end
from sim.view.run.fields import draw_fields, field_names
from sim.view.run.frame import Snapshot
from sim.view.run.timeseries import draw_timeseries
from sim.view.run.tracks import draw_tracks


def save_pictures(result: Snapshot, folder: str | Path) -> list[Path]:
    """Write the assay's picture, `timeseries.png`, and `fields.png` and `tracks.png` if there are.

    The same result gives the same bytes. Title, version, scenario hash and seed are in the PNG text
    chunks. A picture that cannot be drawn is left out with a warning.

    Parameters
    ----------
    result : Result
        A finished run.
    folder : str or Path
        Where to write; made if it does not exist.

    Returns
    -------
    list of Path
        The files written.
    """
    drawings = {assay(result.scenario.assay).picture_file: partial(draw_end, result)}
    if field_names(result):
        drawings[FIELDS_PICTURE] = partial(draw_fields, result)
    if TRACKS in result.tables:
        drawings[TRACKS_PICTURE] = partial(draw_tracks, result)
    drawings[TIMESERIES_PICTURE] = partial(draw_timeseries, result)
    marks = canvas.Marks(
        title=str(result.scenario.name),
        version=str(result.manifest.get("version", __version__)),
        scenario_hash=str(result.manifest.get("scenario_hash", "")),
        seed=result.seed,
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return canvas.save_pictures(drawings, folder, marks)
