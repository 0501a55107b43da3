"""Result of a run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.input import checked_path
from sim.runs.reading import read_run
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray
    from xarray import Dataset

    Arrays = dict[str, NDArray[Any]]


@dataclass(repr=False)
class Result:
    """Result of a run.

    Attributes
    ----------
    scenario : Scenario
        The resolved scenario.
    seed : int
        The seed it ran with.
    summary : dict
        The final read-outs, by name.
    timeseries : pandas.DataFrame
        A row per record time: drug, drive, and all read-outs.
    final : dict of str to ndarray
        The final state, as in ``final.npz``: ``cell_id`` (y, x), ``field_NAME`` and
        ``spacing_um_NAME``, and ``cell_COLUMN`` for each column of the cells, row 0 being the
        medium.
    frames : mapping of int to dict
        Snapshots by Monte Carlo step; of a run that was opened, each read when it is asked for.
    manifest : dict
        Versions, times, rates.
    folder : Path or None
        Where it was written; None if it was not.
    tables : dict of str to pandas.DataFrame
        Tables of the assay by the name of the file: where it follows cells, ``tracks.csv`` with a
        row for each position of a cell.
    """

    scenario: Scenario
    seed: int
    summary: dict[str, float | int]
    timeseries: pd.DataFrame
    final: Arrays
    frames: Mapping[int, Arrays]
    manifest: dict[str, Any]
    folder: Path | None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {value:.4g}" for name, value in self.summary.items())
        where = f", in {self.folder}" if self.folder else ""
        return f"<{self.scenario.name}, seed {self.seed}: {found}{where}>"

    @classmethod
    def open(cls, folder: Path | str) -> Result:
        """Return the run in a folder, as it was when it was written.

        Raises
        ------
        InputError
            If that is not the folder of a run, or of one that has not ended.
        """
        return cls(**read_run(checked_path("folder", folder)))

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the cells and what they formed at the end of the run; return the figure."""
        return hooks.draw(self, ax=ax, fig=fig)

    def save_pictures(self, folder: Path | str) -> None:
        """Write the assay's picture, ``fields.png`` and ``timeseries.png`` into a folder.

        Raises
        ------
        FolderError
            If one of them exists there: existing files are never overwritten.
        """
        hooks.call("save_pictures", self, checked_path("folder", folder), replace=False)

    def to_xarray(self) -> Dataset:
        """Return cells and fields over time as an xarray Dataset, which is all in memory.

        Its dimensions are ``time_h``, ``y_um`` and ``x_um``, the centres of the sites; fields on
        coarser voxels have their own, ``y_um_10`` and ``x_um_10`` for voxels of 10 um. Times are
        those of the frames, and the end; a field that was not recorded at a time is NaN there.
        Units are attributes of the variables, and version, hash of the scenario and seed of the
        whole.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        found: Dataset = hooks.call("to_xarray", self)
        return found
