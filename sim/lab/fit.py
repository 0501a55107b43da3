"""Dose-responses of a user's table, by the fits that studies use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import hooks
from sim.errors import InputError, shown
from sim.files import plain
from sim.fits.fitting import fit as fit_curve
from sim.fits.limits import variance_weights
from sim.fits.logistic import DoseResponse
from sim.fits.quality import Quality, quality
from sim.input import checked_path
from sim.lab import layout
from sim.lab.against import Against, compare
from sim.lab.layout import Group
from sim.lab.table import column, table_of
from sim.lab.writing import write
from sim.studies.table import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

QUANTITIES = ("ic50", "absolute_ic50", "hill", "top", "bottom", "emax")
QUALITIES = (
    "residual_error", "residual_degrees", "r2", "lack_of_fit_f", "lack_of_fit_p", "hormesis_dose",
    "hormesis_percent",
)  # fmt: skip
EQUAL, VARIANCE = "equal", "variance"
LACK = 0.05  # of the p of lack of fit, below which it is noted


@dataclass(frozen=True)
class Fitted:
    """A group of a table with its fit.

    Attributes
    ----------
    values : Group
    fit : DoseResponse
    quality : Quality
    power : float or None
        Of the mean, that the variance was found to follow, where weights are by variance.
    """

    values: Group
    fit: DoseResponse
    quality: Quality
    power: float | None = None

    @property
    def failed(self) -> bool:
        """Whether nothing could be fitted."""
        return not self.fit.left_out

    @property
    def ic50_is(self) -> str:
        """Where the relative IC50 is: ``within`` the doses, ``above``, ``below``, or not known."""
        fit = self.fit
        if fit.ic50 is not None:
            return "within"
        if (fit.ic50_low is None) == (fit.ic50_high is None):
            return "not determined"
        return "below" if fit.ic50_low is None else "above"

    def outliers(self) -> list[dict[str, Any]]:
        """Return the outliers, each with the rows of the table behind it."""
        return [
            {"lines": list(self.values.lines[one.row, one.column] or ())}
            | {key: value for key, value in one._asdict().items() if key not in ("row", "column")}
            for one in self.quality.outliers
        ]

    def notes(self) -> list[str]:
        """Return all that should be known of the fit, in words."""
        found = self.quality
        notes = [self.fit.note, *self.values.notes]
        if found.hormesis_dose is not None:
            notes.append(
                f"hormesis: at {found.hormesis_dose:g} the response is beyond that of dose 0 by "
                f"{found.hormesis_percent:.0f} % of its range"
            )
        if found.lack_of_fit_p is not None and found.lack_of_fit_p < LACK:
            notes.append(f"lack of fit: p = {found.lack_of_fit_p:.2g}; the curve misses the means")
        for one in self.outliers():
            lines = ", ".join(map(str, one["lines"]))
            notes.append(
                f"outlier, kept: {one['response']:.4g} at {one['dose']:g} (line {lines}), where "
                f"{one['expected']:.4g} is expected (p = {one['p']:.2g})"
            )
        return [note for note in notes if note]

    def to_dict(self) -> dict[str, Any]:
        """Return all that was found, by the names of ``dose_response.json`` and more."""
        quality = {name: getattr(self.quality, name) for name in QUALITIES}
        return {
            **self.fit.as_dict(),
            "ic50_is": self.ic50_is,
            **quality,
            "variance_power": self.power,
            "outliers": self.outliers(),
            "notes": self.notes(),
        }


@dataclass(frozen=True, repr=False)
class Fits:
    """Dose-responses of the groups of a table.

    Attributes
    ----------
    table : str
        Name of the table; empty if it has none.
    dose, unit, response : str
        What is dosed in words, its unit (empty if the column names none), and what is measured.
    weights : str
        As given: ``equal``, ``variance``, or a column of standard deviations.
    known : dict of str to float
        Parameters that were not fitted.
    groups : dict of str to Fitted
    notes : tuple of str
        What was assumed about the table.
    against : Against or None
        The same beside the dose-responses of a study.
    """

    table: str
    dose: str
    unit: str
    response: str
    weights: str
    known: dict[str, float]
    groups: dict[str, Fitted]
    notes: tuple[str, ...] = ()
    against: Against | None = None

    def __repr__(self) -> str:
        lines = [f"  {name}: IC50 {one.fit.words()}" for name, one in self.groups.items()]
        return "\n".join([f"<{self.response} over {self.dose}>", *lines])

    def __getitem__(self, group: str) -> DoseResponse:
        return self.groups[group].fit

    @property
    def fits(self) -> dict[str, DoseResponse]:
        """The curves, by group."""
        return {name: one.fit for name, one in self.groups.items()}

    @property
    def failed(self) -> list[str]:
        """Groups of which nothing could be fitted."""
        return [name for name, one in self.groups.items() if one.failed]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each group, as in ``fit.csv``."""
        fields = [name + end for name in QUANTITIES for end in ("", "_low", "_high")]
        rows = []
        for name, one in self.groups.items():
            row: dict[str, Any] = {"response": self.response, "group": name, "unit": self.unit}
            row |= {field: getattr(one.fit, field) for field in fields}
            row |= {"ic50_is": one.ic50_is, "determined": one.fit.determined}
            row |= {"replicates": one.fit.replicates, "paired": one.fit.paired}
            row |= {field: getattr(one.quality, field) for field in QUALITIES}
            row |= {"outliers": len(one.quality.outliers), "note": "; ".join(one.notes())}
            rows.append(row)
        return rows

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a table of pandas."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as in ``fit.json``."""
        tree = {
            "table": self.table,
            "response": self.response,
            "dose": self.dose,
            "unit": self.unit,
            "weights": self.weights,
            "known": self.known,
            "fits": {name: one.to_dict() for name, one in self.groups.items()},
            "notes": list(self.notes),
        }
        if self.against is not None:
            tree["against"] = self.against.to_dict()
        found: dict[str, Any] = plain(tree)
        return found

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw values, means, curves with bands, and IC50s of all groups; return the figure."""
        return hooks.draw(self, ax=ax, fig=fig)

    def write(self, folder: str | Path) -> None:
        """Write ``fit.json``, ``fit.csv`` and ``fit.png`` into a folder, which exists."""
        write(self, "fit", self.rows(), checked_path("folder", folder))


def fit(
    table: Any,
    dose: str | None = None,
    response: str | None = None,
    by: str | Sequence[str] = (),
    *,
    replicate: str | None = None,
    control: str | None = None,
    paired: bool = False,
    weights: str = EQUAL,
    bottom: float | None = None,
    top: float | None = None,
    hill: float | None = None,
    against: Study | str | Path | None = None,
    readout: str | None = None,
) -> Fits:
    """Fit the dose-responses of a table, as those of studies are fitted.

    Parameters
    ----------
    table : str, Path, pandas.DataFrame or mapping
        A CSV file, or a table in memory; masked values, NaN and None are missing. In long form,
        with `response`, each row has one value. Without it the table is a matrix: a column of
        doses, and a column for each group; columns that differ in a number at their end are
        replicates of one group.
    dose : str, optional
        The column of doses. By default that whose name begins with dose or conc, else the first.
    response : str, optional
        The column of responses, in long form.
    by : str or sequence of str
        Columns that tell groups apart.
    replicate : str, optional
        The column that names the plate, day or donor of a value: values of one are paired. Without
        it all values are independent.
    control : str, optional
        A column that says ``positive`` (100 %, counts as dose 0) or ``negative`` (0 %) of controls.
    paired : bool
        Whether the columns of a matrix are whole replicates.
    weights : str
        ``"equal"``; ``"variance"``: one over the variance, found as a power of the mean; or a
        column with the standard deviation of each value.
    bottom, top, hill : float, optional
        A parameter that is known, and not fitted.
    against : Study, str or Path, optional
        A study of simulations, or its folder, to compare with: both in percent of their own
        controls.
    readout : str, optional
        Which read-out of the study; by default that with the name of `response`, else its first.

    Returns
    -------
    Fits

    Raises
    ------
    InputError
        If a column is not there, doses are negative, or a cell is not what its column holds.
    """
    name = Path(table).name if isinstance(table, str | Path) else ""
    frame = table_of(table)
    by = (by,) if isinstance(by, str) else tuple(by)
    sd = None if weights in (EQUAL, VARIANCE) else weights
    if dose is None:
        dose = layout.dose_column(frame)
    given = {"bottom": bottom, "top": top, "hill": hill}
    known = {key: value for key, value in given.items() if value is not None}
    if not isinstance(dose, str):
        raise InputError(f"dose = {shown(dose)}: must be the name of a column")
    if response is None:
        for key, value in (("by", by), ("replicate", replicate), ("control", control)):
            if value:
                raise InputError(f"{key} = {shown(value)}: needs response, the column of responses")
        if sd is not None:
            raise InputError(f"weights = {shown(weights)}: must be equal or variance for a matrix")
        found = layout.matrix(frame, dose, paired=paired)
    else:
        if paired:
            raise InputError("paired: is for a matrix; name the column of replicates instead")
        if sd is not None:
            column(frame, sd, "weights")
        found = layout.long_form(frame, dose, response, by, replicate, control, sd)
    groups = {label: fit_group(one, weights, known) for label, one in found.groups.items()}
    beside = None
    if against is not None:
        if {"bottom", "top"} & {*known}:
            raise InputError("against: is in percent of controls; give neither bottom nor top")
        study = against if isinstance(against, Study) else Study.open(against)
        beside = compare(
            found.groups, found.response, found.unit, study, readout,
            lambda one: fit_group(one, weights, known),
        )  # fmt: skip
    elif readout is not None:
        raise InputError("readout: goes with against, a study")
    return Fits(
        name, found.dose, found.unit, found.response, weights, known, groups, found.notes, beside
    )


def fit_group(values: Group, weights: str, known: dict[str, float]) -> Fitted:
    """Fit one group.

    The absolute IC50 is half-way between the control at dose 0 and the negative control, or 0
    without one, for a response that falls.
    """
    for name in ("bottom", "top"):
        layout.check_known(name, known.get(name), values)
    weight: NDArray[np.float64] | None = None
    power = None
    background: Any = 0.0 if values.background is None else values.background
    try:
        if weights == VARIANCE:
            weight, power = variance_weights(values.response)
        elif values.sd is not None:
            weight = 1.0 / np.square(np.where(np.isfinite(values.sd), values.sd, 1.0))

        def solve(background: Any) -> DoseResponse:
            return fit_curve(
                values.dose, values.response, background, paired=values.paired, weights=weight,
                **known,
            )  # fmt: skip

        found = solve(background)
        rises = bool(found.left_out) and found.left_out[0][0] > found.left_out[0][1]
        if values.background is None and rises:
            found = solve(None)
            words = "the response rises, and has no negative control: no absolute IC50, no Emax"
            given = "no unstimulated control: no absolute IC50, no Emax"
            found = replace(found, note=found.note.replace(given, words))
    except ValueError as error:
        raise InputError(str(error)) from None
    free = tuple(name for name in ("bottom", "top", "ic50", "hill") if name not in known)
    how = quality(values.dose, values.response, found, free=free, weights=weight)
    return Fitted(values, found, how, power)
