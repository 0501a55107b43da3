"""How an assay says what it is: its read-outs, its tables, and where its code is.

An assay is a folder (or an installed package) whose ``__init__`` imports nothing slow and has one
`Assay` called ``ASSAY``. Code is named by ``"module:function"`` and imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from sim.tables import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Uniforms = Callable[[int, int], "NDArray[np.float64]"]
"""``uniforms(start, count)`` are that many numbers in [0, 1), counted from ``start``."""
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

    def at(self, time: str) -> Readout:
        """Return the same at a time in hours."""
        return replace(self, words=f"{self.words} at {time} h")


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
        TOML file with this assay's layer of a scenario: leaves ``{value, unit, source, evidence}``,
        and in ``[lines.NAME]`` what is different for a cell line.
    readouts : tuple of Readout
        What `measure` gives, in this order.
    response : str
        The read-out that a study fits if it names none.
    start : str
        ``start(scenario, uniforms)`` gives the lattice (y, x) int32, 0 for medium, else the cell
        counted from 1, and the type of each cell: 1 endothelial, 2 and up the further types.
    from_picture : str or None
        ``check(sites, scenario)`` yields what is wrong with the lattice of a label picture as the
        start: of an assay that asks more of it than cells that fit.
    measure : str
        ``measure(tissue, memory, scenario)`` gives the read-outs by name; it only reads.
    picture : str
        ``draw(canvas, tissue, memory, scenario)`` draws over the cells; see `Canvas`.
    picture_file : str
        Name of that picture in a run folder: ``"network.png"``.
    memory : str or None
        Module with ``begin(tissue, scenario)``, which gives the arrays that the assay remembers by
        name, and ``after_step(tissue, memory, scenario)``, which brings them up to date in place.
        With ``before(memory, mcs)``, which gives, from what is remembered at the end, what was at
        an earlier step, films of a finished run show its picture; without, cells alone.
    in_frames : tuple of str
        What it remembers that `before` cannot give: each frame has it, as ``assay.NAME``.
    tables : tuple of (str, str)
        Tables of its own in a run folder: the name of the file, ``"tracks.csv"``, and
        ``table(tissue, memory, scenario)``, which gives its columns by name. ``tracks.csv``
        (``cell, time_h, x_um, y_um``, a row for each position) is drawn, too, as ``tracks.png``.
    complete : str or None
        ``complete(tree, given)`` writes, into a scenario with all defaults as plain tables, what
        follows from the assay's set-up elsewhere; `given` is what is not default.
    graph : str or None
        ``graph(lattice, memory, scenario)`` gives what is measured as a graph,
        `sim.readouts.graph.NetworkGraph`, where it is a network.
    panels : tuple of (str, tuple of str)
        How the read-outs are drawn over time: label of the axis, and what is drawn in it.
    checks, cautions : str or None
        A tuple of `sim.assays.rules.Check`: what does not fit together, and what is valid but may
        not be as expected.
    model : str
        Class of model that runs it: ``"lattice"``, cells on a lattice, or ``"bed"``, vessels of a
        tumour. Of a bed `start` is ``start(bed, scenario)``, which places tumour and vessels by the
        methods of `sim.bed.Bed`; `measure`, `picture` and `graph` are given a `Vessels` in place of
        a `Tissue` or a lattice, and the picture a `VesselCanvas`.
    clock : str
        Unit of time in pictures: ``"h"`` or ``"d"``.
    parts : tuple of str
        Parts of the step that not every assay has: ``"border"``, border sums, and with them the
        contact inhibition of locomotion; ``"notch"``, Delta-Notch signalling between cells that
        touch, which needs ``"border"``, and which a key ``notch`` of the set-up that is false
        blocks; ``"module:function"``, a part of its own, ``function(model, border)``, which comes
        after behaviour; ``"division"`` and ``"death"``, whose numbers are in
        ``sim/data/model``. With one of these two the assay remembers ``born`` and ``died``, counts
        since the start, and ``events`` (events, 6): step, whether it is a birth, id of the cell,
        that of its mother, and the place x, y in sites.
    adapted : bool
        Whether cells were in their medium before, without drug: receptors, activity and drive start
        at their steady values.
    keeps_off : tuple of str
        Axes, ``"x"`` and ``"y"``, whose edges cells must not reach: read-outs are cut short there,
        and a run that ends so is flagged. Periodic edges do not count.
    limits : tuple of str
        What a result of it does not show, in sentences, for reports. Its page in ``docs`` has them
        word for word, beside more.
    default : bool
        Whether it is the assay of a scenario that names none.

    Notes
    -----
    Code is given as ``"module:name"``. `start` is not asked to place no cells; everything else
    must cope with a tissue without any.
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
    picture_file: str
    memory: str | None = None
    in_frames: tuple[str, ...] = ()
    tables: tuple[tuple[str, str], ...] = ()
    complete: str | None = None
    from_picture: str | None = None
    graph: str | None = None
    panels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    checks: str | None = None
    cautions: str | None = None
    model: str = "lattice"
    clock: Literal["h", "d"] = "h"
    parts: tuple[str, ...] = ()
    adapted: bool = False
    keeps_off: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    default: bool = False


def called(place: str) -> Any:
    """Return what ``"module:name"`` says, or the module that ``"module"`` says."""
    module, _, name = place.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


@dataclass(frozen=True)
class Tissue:
    """What an assay sees of a model, or of the end of a run: arrays to look at.

    Attributes
    ----------
    mcs : int
        Monte Carlo steps made.
    mcs_s : float
        What a Monte Carlo step lasts, in seconds.
    time_h : float
        Hours of the drug's schedule.
    spacing_um : float
        Side of a site.
    periodic : bool
        Whether opposite edges meet.
    lattice : (y, x) int32
        0 for medium, else the row of the cell.
    cells : mapping of str to (rows, ...) ndarray
        Columns of the cells: ``alive``, ``type``, ``centroid``, ``drive``, ...; row 0 is the
        medium.
    fields : mapping of str to (y, x) float64
        Concentrations.
    """

    mcs: int
    mcs_s: float
    time_h: float
    spacing_um: float
    periodic: bool
    lattice: NDArray[np.int32]
    cells: Mapping[str, NDArray[Any]]
    fields: Mapping[str, NDArray[np.float64]]


class Domain(Protocol):
    """``[domain]``, as far as assays ask for it."""

    @property
    def size_um(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def spacing_um(self) -> float: ...  # noqa: D102
    @property
    def boundary(self) -> str: ...  # noqa: D102


class Cells(Protocol):
    """``[cells]``, as far as assays ask for it."""

    @property
    def density_per_mm2(self) -> float | None: ...  # noqa: D102
    @property
    def count(self) -> int | None: ...  # noqa: D102
    @property
    def seeding(self) -> str: ...  # noqa: D102
    @property
    def image(self) -> str | None: ...  # noqa: D102


class Scenario(Protocol):
    """A scenario, as far as assays ask for it; `sim.scenario.schema` has all of it."""

    @property
    def shape(self) -> tuple[int, int]:
        """Sites of the lattice, [y, x]."""

    def uphill(self) -> tuple[str, float, float]:
        """First ligand that rises and its direction [y, x]; no name, and along y, without one."""

    @property
    def domain(self) -> Domain: ...  # noqa: D102
    @property
    def cells(self) -> Cells: ...  # noqa: D102
    @property
    def time(self) -> Any: ...  # noqa: D102
    @property
    def types(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def ligands(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def engine(self) -> Any: ...  # noqa: D102
    @property
    def setup(self) -> Any:
        """The assay's own table."""

    @property
    def readout(self) -> Any:
        """The assay's own table."""


class Canvas(Protocol):
    """What a picture of an assay draws on: the cells are there, coordinates are sites [y, x].

    (0, 0) is the centre of the first site. ``kind`` says how a thing looks, as in
    `sim.view.style`.
    """

    def lines(self, places: NDArray[np.float64], links: NDArray[Any], kind: str) -> None:
        """Draw lines between linked places; lines over a periodic border at each side."""

    def dots(self, places: NDArray[np.float64], kind: str) -> None:
        """Draw a dot at each place."""

    def stain(self, rows: NDArray[np.bool_], kind: str) -> None:
        """Colour some rows of the cells by what they are, instead of by their drive."""

    def outline(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Draw the outline of a region (y, x)."""


class Vessels(Protocol):
    """What an assay sees of a tumour's vessels, `sim.bed.Bed`: arrays and numbers to look at."""

    @property
    def numbers(self) -> Any:
        """All numbers of the model, `sim.bed.Numbers`."""

    @property
    def step_number(self) -> int:
        """Hours since the start of the run."""

    @property
    def pieces(self) -> Any:
        """Columns (pieces,) of the pieces: ``id, a, b, age, survival, pericyte, kind, velocity``.

        ``a`` and ``b`` are rows of the nodes.
        """

    @property
    def nodes(self) -> Any:
        """Columns (nodes,) of the nodes: ``x, y`` in um, ``pressure``, ``trail``."""

    @property
    def tips(self) -> Any:
        """Columns (tips,) of the tips: ``id, node, dx, dy, age, path``."""

    @property
    def phi(self) -> NDArray[np.float64]:
        """Signed distance (y, x) to the tumour's outline, um, negative inside."""

    @property
    def w(self) -> NDArray[np.float64]:
        """Viable share (y, x) of the tissue inside the outline."""

    @property
    def oxygen(self) -> NDArray[np.float64]:
        """Oxygen (y, x), mmHg."""

    @property
    def vegf(self) -> NDArray[np.float64]:
        """Free VEGF (y, x), ng/mL."""

    @property
    def area(self) -> float:
        """Area of the tumour, um^2."""

    @property
    def diameter0(self) -> float:
        """Diameter that changes are counted from, um."""

    @property
    def is_vessel(self) -> NDArray[np.bool_]:
        """Which pieces (pieces,) are living vessel, parents apart."""

    @property
    def is_sleeve(self) -> NDArray[np.bool_]:
        """Which pieces (pieces,) are the empty sleeves of vessels."""

    def lengths(self) -> NDArray[np.float64]:
        """Length (pieces,), um."""

    def pressures(self) -> NDArray[np.float64]:
        """Pressure (nodes,) of blood, mmHg; nan where no vessel leads to a held one."""

    def inside(self) -> NDArray[np.float64]:
        """Share (y, x) of each voxel inside the outline."""

    def at_middles(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (pieces,) of a field of voxels at the middles of the pieces."""

    def diameter_um(self) -> float:
        """Largest caliper of the outline; 0 without tumour."""


class VesselCanvas(Protocol):
    """What a picture of vessels draws on: places are [y, x] in um, regions are voxels (y, x)."""

    def shade(self, values: NDArray[np.float64], kind: str) -> None:
        """Shade the ground by a field, with a scale beside it."""

    def patch(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Colour a region."""

    def outline(self, values: NDArray[np.float64], kind: str) -> None:
        """Draw where a field is 0."""

    def words(self, place: NDArray[np.float64], text: str) -> None:
        """Write beside a place."""

    def lines(
        self,
        places: NDArray[np.float64],
        links: NDArray[Any],
        kind: str,
        values: NDArray[np.float64] | None = None,
    ) -> None:
        """Draw lines between linked places, coloured by values if there are any."""

    def dots(self, places: NDArray[np.float64], kind: str) -> None:
        """Draw a dot at each place."""


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
