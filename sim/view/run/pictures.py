"""The pictures of a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes

from sim.runs.result import Result
from sim.view.canvas import try_picture
from sim.view.run.fields import _field_names, draw_fields
from sim.view.run.network import draw_network
from sim.view.run.timeseries import draw_timeseries


def save_pictures(result: Result, folder: str | Path) -> list[Path]:
    """Write `network.png`, `fields.png` (if there are fields) and `timeseries.png`.

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
    drawings: dict[str, Callable[[], Axes]] = {"network.png": lambda: draw_network(result)}
    if _field_names(result):
        drawings["fields.png"] = lambda: draw_fields(result)[0]
    drawings["timeseries.png"] = lambda: draw_timeseries(result)[0]
    chunks = {
        "Title": str(result.scenario.name),
        "Software": f"angiosim {result.manifest.get('version', '')}".strip(),
        "Scenario-Hash": str(result.manifest.get("scenario_hash", "")),
        "Seed": str(result.seed),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        folder / name
        for name, draw in drawings.items()
        if try_picture(folder / name, draw, **chunks)
    ]
