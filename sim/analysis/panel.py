"""Several assays of one drug at one list of doses: their IC50s, and how far they are from harm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sim import data, hooks
from sim.analysis.arms import arm_of, runs_with
from sim.analysis.dose_response import DoseResponses, arms, dose_response
from sim.assays import DRIVE, assay, readout
from sim.errors import InputError
from sim.pharmacology.drugs import load_drug
from sim.scenario.classes import ligands_of, line_of
from sim.scenario.defaults import assay_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from sim.fits.logistic import DoseResponse
    from sim.studies.plan import Plan
    from sim.studies.table import Study

    Array = NDArray[np.float64]

DOSE = "drug.free_nM"
VALUE, AT_LEAST, NOT_KNOWN = "value", "at_least", "not_known"
"""Kinds of windows: from a dose that kills, from one that did no harm, or neither is known."""
KILLS = "death"
"""The part of the step that assays of killing have, and others do not."""
MISSED, MISSED_ERRORS = 0.05, 3
"""By more than this share of the value without drug, and so many standard errors, no fit misses."""
NO_LOGISTIC = "no logistic fits: read the points"
ASSUMED = (
    "IC50 is the dose that halves the value without drug; deaths follow from assumed rates, "
    "not from findings about the drug"
)


@dataclass(frozen=True)
class Row:
    """A read-out of an assay under a drug.

    Attributes
    ----------
    assay, drug, ligand, line, readout : str
        Their keys; of several ligands their names with `` + `` between.
    arm : str
        What the arm is called in the study.
    fit : DoseResponse
        Its IC50 is half-way between the curve's own top and bottom; in assays of killing it is the
        dose that halves the value without drug.
    unstimulated : float or None
        Mean of its unstimulated control, if it has one.
    """

    assay: str
    drug: str
    ligand: str
    line: str
    readout: str
    arm: str
    fit: DoseResponse
    unstimulated: float | None

    @property
    def kills(self) -> bool:
        """Whether the assay has deaths, so that it shows harm and not the effect wanted."""
        return KILLS in assay(self.assay).parts

    @property
    def is_number(self) -> bool:
        """Whether it follows the number of cells of a dividing culture: fewer need not be dead."""
        own = assay(self.assay)
        return "division" in own.parts and self.readout not in (own.response, DRIVE.name)

    @property
    def note(self) -> str:
        """What to know of its IC50."""
        return "; ".join(filter(None, [ASSUMED if self.kills else "", self.fit.note]))


@dataclass(frozen=True)
class Window:
    """How many times its IC50 in an assay a drug may be dosed before it harms cells.

    Attributes
    ----------
    row : Row
        The effect that is wanted.
    line : str
        The cell line that harm was looked for in; empty if in none.
    harm_nM : float or None
        The dose that kills half of the cells, or up to which none were harmed.
    window : float or None
        That dose / IC50; with 95 % limits, `window_low` and `window_high`, from those of the IC50.
    kind : str
        `VALUE`, `AT_LEAST` or `NOT_KNOWN`.
    source : str
        Where the dose is from, or why there is no window.
    """

    row: Row
    line: str
    harm_nM: float | None
    window: float | None
    kind: str
    source: str

    @property
    def window_low(self) -> float | None:
        """The window, if the IC50 is at the upper end of its limits."""
        return self._over(self.row.fit.ic50_high)

    @property
    def window_high(self) -> float | None:
        """The window, if the IC50 is at the lower end of its limits."""
        return self._over(self.row.fit.ic50_low)

    def _over(self, ic50: float | None) -> float | None:
        if self.window is None or self.harm_nM is None or ic50 is None:
            return None
        return self.harm_nM / ic50

    @property
    def value(self) -> str:
        """The window with its limits, in words."""
        if self.window is None:
            return "not known"
        from sim.fits.logistic import with_limits

        least = "at least " if self.kind == AT_LEAST else ""
        return f"{least}{with_limits(self.window, self.window_low, self.window_high)}"

    def words(self) -> str:
        """Return it in a line."""
        to = f" to harm of {line_words(self.line)}" if self.line else ""
        row = self.row
        what = ", ".join([row.drug, readout(row.readout).words, row.ligand])
        why = f" ({self.source})" if self.window is None else ""
        return f"{what}: window{to} {self.value}{why}"


@dataclass(frozen=True, repr=False)
class Panel:
    """The assays of a study under its drugs.

    Attributes
    ----------
    study : str
        Name of the study.
    rows : list of Row
        In the order of the arms.
    found : list of Window
        Those of the read-outs that are no harm, in the same order.
    """

    study: str
    rows: list[Row]
    found: list[Window]

    def __repr__(self) -> str:
        lines = [f"  {row.readout}, {row.arm}: IC50 {row.fit.words()}" for row in self.rows]
        return "\n".join([f"<panel of {self.study}>", *lines])

    @property
    def table(self) -> pd.DataFrame:
        """A row for each read-out and arm, as in ``panel.csv``."""
        import pandas as pd

        names = ("ic50", "ic50_low", "ic50_high", "hill")
        rows = [
            [row.assay, row.drug, row.ligand, row.line, row.readout,
             *(getattr(row.fit, name) for name in names), row.note]
            for row in self.rows
        ]  # fmt: skip
        columns = ["assay", "drug", "ligand", "line", "readout", *names, "note"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def windows(self) -> pd.DataFrame:
        """A row for each effect and cell line, as in ``panel_windows.csv``."""
        import pandas as pd

        rows = [
            [one.row.drug, one.row.assay, one.row.ligand, one.row.readout, one.row.fit.ic50,
             one.line, one.harm_nM, one.window, one.window_low, one.window_high, one.kind,
             one.source]
            for one in self.found
        ]  # fmt: skip
        columns = ["drug", "assay", "ligand", "readout", "ic50", "harmed_line", "harm_nM",
                   "window", "window_low", "window_high", "kind", "source"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def findings(self) -> list[str]:
        """Return a line for each window."""
        return [window.words() for window in self.found]

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw all assays over the dose, a panel for each drug and ligand; return the figure."""
        return hooks.draw(self, fig=fig)


def line_words(line: str) -> str:
    """Return what a cell line is called: its remark begins with that."""
    remark: str = data.read("lines", line)["remark"]
    return remark.partition(",")[0]


def compares_assays(plan: Plan) -> bool:
    """Whether a study has several assays under doses of a drug."""
    names = {assay_of(plan.base_of(run)).name for run in plan.runs}
    return plan.dose_response.get("dose") == DOSE and len(names) > 1


def panel(study: Study) -> Panel:
    """Compare the assays of a study; see `Study.panel`."""
    if study.plan.dose_response.get("dose") != DOSE:
        raise InputError(f"{study.plan.name}: a panel needs [dose_response] with dose = {DOSE!r}")
    study.check_not_shard()
    names = study.plan.dose_response["responses"]
    return panel_of(study, [dose_response(study, name) for name in names])


def panel_of(study: Study, curves: list[DoseResponses]) -> Panel:
    """Compare the assays of a study whose dose-responses are known."""
    found: dict[tuple[str, str], Row] = {}
    order: dict[str, int] = {}
    for one in curves:
        runs = {arm_of(run, (DOSE,)): run for run in reversed(runs_with(study, one.response))}
        for arm, fit in one.fits.items():
            run = runs[arm]
            scenario = study.plan.scenario_of(run)
            ligands = [
                name
                for name, ligand in ligands_of(scenario).items()
                if ligand.bath_ng_ml or ligand.media or ligand.gradient
            ]
            if KILLS in assay(scenario.assay).parts:
                fit = halving(*arms(study, one.response)[arm])
            found[arm, one.response] = Row(
                scenario.assay,
                scenario.drug.name if scenario.drug else "",
                " + ".join(ligands) or "none",
                line_of(scenario),
                one.response,
                arm,
                fit,
                one.unstimulated.get(arm),
            )
            order[arm] = run.index
    rows = sorted(found.values(), key=lambda row: order[row.arm])
    effects = [row for row in rows if not row.kills]
    return Panel(study.plan.name, rows, [window for row in effects for window in windows(row)])


def halving(doses: Array, values: Array) -> DoseResponse:
    """Fit a curve whose IC50 is the dose that halves the response without drug.

    A relative IC50 would be half-way of whatever is lost, also of a loss of two per cent. There is
    none where no logistic fits: cells that stop dividing at one dose and die at another one.
    """
    import numpy as np

    from sim.fits.fitting import fit
    from sim.fits.logistic import DoseResponse

    found = fit(doses, values, 0.0, paired=True)
    half = {f"ic50{end}": getattr(found, f"absolute_ic50{end}") for end in ("", "_low", "_high")}
    means, errors = np.array(found.means), np.array([error or 0.0 for error in found.errors])
    missed = np.abs(means - found.curve(found.doses)) - MISSED_ERRORS * errors
    if (missed > MISSED * means[:1]).any():
        return DoseResponse(
            note=NO_LOGISTIC, replicates=found.replicates, doses=found.doses, means=found.means,
            errors=found.errors,
        )  # fmt: skip
    return replace(found, **half, determined=all(value is not None for value in half.values()))


def windows(row: Row) -> list[Window]:
    """Return the windows of an effect, one for each cell line in which harm was looked for."""
    drug = load_drug(row.drug) if row.drug else None
    kills = drug.cytotoxic_ec50_nM if drug else {}
    unharmed = drug.unharmed_up_to_nM if drug else {}
    found = []
    for line in {**kills, **unharmed}:
        kind, finding = (VALUE, kills[line]) if line in kills else (AT_LEAST, unharmed[line])
        if row.fit.ic50 is None or not row.fit.determined:
            why = f"the IC50 is not determined: {row.fit.note}"
            found.append(Window(row, line, finding.dose_nM, None, NOT_KNOWN, why))
        else:
            ratio = finding.dose_nM / row.fit.ic50
            found.append(Window(row, line, finding.dose_nM, ratio, kind, finding.source))
    why = "no dose known that kills cells, nor one up to which they were seen unharmed"
    return found or [Window(row, "", None, None, NOT_KNOWN, why)]
