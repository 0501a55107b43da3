"""How an assay says what it is: its read-outs, its tables, and where its code is.

An assay is a folder (or an installed package) whose ``__init__`` imports nothing slow and has one
`Assay` called ``ASSAY``. Code is named by ``"module:function"`` and imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from sim.tables import Table

Function = TypeVar("Function", bound=Callable[..., Any])
FRACTION = "0-1"
"""Unit of fractions."""


@dataclass(frozen=True)
class Readout:
    """One column of the time series.

    Attributes
    ----------
    name : str
        Its key in the files.
    words : str
        What it is called on axes, without the unit.
    unit : str
        As in the files: ``"mm"``, ``"um^2"``, ``"0-1"`` of a fraction, nothing of a count.
    doc : str
        What it is, in a line.
    files : tuple of str
        Where it is, beside ``timeseries.csv``.
    """

    name: str
    words: str
    unit: str = ""
    doc: str = ""
    files: tuple[str, ...] = ("summary.json", "results.csv")

    @property
    def label(self) -> str:
        """Words and unit, as on an axis."""
        unit = self.unit.replace("um", "µm").replace("^2", "²").replace("^3", "³")
        return f"{self.words} ({unit})" if unit and unit != FRACTION else self.words


@dataclass(frozen=True)
class Assay:
    """What an experiment prepares, and what it reads from the cells.

    Attributes
    ----------
    name, title : str
        The value of the key ``assay``, and what happens in it, in a line.
    setup, readout : type
        The tables behind ``[setup]`` and ``[readout]``.
    defaults : Path
        TOML file with this assay's layer of the scenario: leaves ``{value, unit, source, ...}``.
    readouts : tuple of Readout
        What `measure` gives, in this order.
    response : str
        The read-out that a study fits if it names none.
    start : str
        ``start(scenario, uniforms)`` gives the lattice and the types of the cells on it.
    measure : str
        ``measure(tissue, memory, scenario)`` gives the read-outs by name; it only reads.
    picture : str
        ``draw(canvas, snapshot)`` draws the tissue on a canvas of the view.
    memory : str or None
        Module with ``begin(tissue)``, which gives the arrays that the assay remembers, and
        ``after_step(tissue, memory)``, which brings them up to date.
    panels : tuple of (str, tuple of str)
        Panels of the time series: label of the axis, and the read-outs drawn in it.
    checks : tuple of str
        ``check(scenario)`` yields what does not fit together as `sim.errors.Problem`.
    model : str
        Class of model that runs it.
    parts : tuple of str
        Parts of the step of this assay alone.
    default : bool
        Whether it is the assay of a scenario that names none.
    """

    name: str
    title: str
    setup: type[Table]
    readout: type[Table]
    defaults: Path
    readouts: tuple[Readout, ...]
    response: str
    start: str
    measure: str
    picture: str
    memory: str | None = None
    panels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    checks: tuple[str, ...] = ()
    model: str = "lattice"
    parts: tuple[str, ...] = ()
    default: bool = False


class Tissue(Protocol):
    """What an assay sees of a model: arrays to look at."""

    @property
    def mcs(self) -> int:
        """Monte Carlo steps made."""

    @property
    def mcs_s(self) -> float:
        """What a Monte Carlo step lasts, in seconds."""

    @property
    def time_h(self) -> float:
        """Hours of the drug's schedule."""

    @property
    def spacing_um(self) -> float:
        """Side of a site."""

    @property
    def periodic(self) -> bool:
        """Whether opposite edges meet."""

    @property
    def lattice(self) -> NDArray[Any]:
        """(y, x) int32: 0 for medium, else the row of the cell."""

    @property
    def cells(self) -> Mapping[str, NDArray[Any]]:
        """Columns of the cells by name: ``alive``, ``type``, ``centroid``, ``drive``, ..."""

    @property
    def fields(self) -> Mapping[str, NDArray[Any]]:
        """Concentrations (y, x) by name."""


@dataclass(frozen=True)
class Couplings:
    """What a part of the step reads and writes: unit by name, as in the state of a model."""

    reads: Mapping[str, str]
    writes: Mapping[str, str]


def part(*, reads: Mapping[str, str], writes: Mapping[str, str]) -> Callable[[Function], Function]:
    """Declare what a part of the step reads and writes.

    Parameters
    ----------
    reads, writes : mapping of str to str
        Unit by name; names with a dot are those of the model's state (``cells.drive``), others
        are made within the step (``free_nM``).

    Returns
    -------
    callable
        A decorator that leaves the function as it is; `couplings` gives what was declared.
    """

    def declare(function: Function) -> Function:
        function.couplings = Couplings(dict(reads), dict(writes))  # type: ignore[attr-defined]
        return function

    return declare


def couplings(function: Callable[..., Any]) -> Couplings:
    """Return what a part of the step was declared to read and write."""
    found: Couplings = function.couplings  # type: ignore[attr-defined]
    return found
