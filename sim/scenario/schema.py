"""The scenario: every key that a file may hold, with its unit, range and meaning.

Biological and numerical defaults are data with a source (``sim/data``); `sim.scenario.resolve`
lays them under the user's file, so that a scenario is complete here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializeAsAny,
    Strict,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from sim import data
from sim.assays import assays, default_assay
from sim.scenario.life import Death, Division, Notch
from sim.scenario.ligands import Ligand
from sim.scenario.resolved import Resolved
from sim.scenario.treatment import Drug
from sim.tables import (
    Hours,
    Micrometres,
    Minutes,
    NgPerMl,
    Number,
    Pair,
    PerSecond,
    Seconds,
    SquareMicrometresPerSecond,
    Switch,
    Table,
    Text,
    Whole,
)


@dataclass(frozen=True)
class Choice:
    """Marks a text that must be one of the names known when it is read."""

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.names())}

    def _known(self, name: str) -> str:
        if name not in self.names():
            expected = {"expected": data.one_of(self.names()).removeprefix("must be ")}
            raise PydanticKnownError("literal_error", expected)
        return name


class Extent(Table):
    """A rectangle of squares: sites of a lattice, or voxels."""

    size_um: Annotated[tuple[Micrometres, Micrometres], Strict(False)] = Field(
        description="width and height [x, y] of the domain, without the frame of walls"
    )
    spacing_um: Micrometres = Field(ge=0.01, le=50, description="side of a lattice site")


class Domain(Extent):
    """The square lattice."""

    boundary: Literal["walls", "periodic"] = Field(
        description="a frame that no cell enters, or opposite edges that meet"
    )
    field_depth_um: Micrometres = Field(
        gt=0, description="depth over which ligand molecules are counted (unstirred layer, tissue)"
    )
    substrate: Annotated[Text, Choice(lambda: data.names("substrates"))] = Field(
        description="what the cells are on or in (a file in sim/data/substrates)"
    )


class Time(Table):
    """How long, and how often to record."""

    duration_h: Hours | None = Field(None, gt=0, description="length of the run")
    duration_mcs: Whole | None = Field(
        None, gt=0, description="length of the run in Monte Carlo steps (units = lattice)"
    )
    mcs_s: Seconds = Field(
        gt=0, description="duration of one Monte Carlo step; sets the cells' pace"
    )
    record_every_h: Hours | None = Field(None, gt=0, description="interval between records")
    record_every_mcs: Whole | None = Field(
        None, gt=0, description="interval between records in steps (units = lattice)"
    )
    start_h: Hours = Field(
        0.0, ge=0, description="time of the drug's schedule at which the run starts"
    )

    @property
    def steps(self) -> int:
        """Monte Carlo steps of the whole run."""
        return self.duration_mcs or max(1, round((self.duration_h or 0.0) * 3600 / self.mcs_s))

    @property
    def steps_per_record(self) -> int:
        """Monte Carlo steps between two records."""
        return self.record_every_mcs or max(
            1, round((self.record_every_h or 0.0) * 3600 / self.mcs_s)
        )

    def records(self, mcs: int) -> bool:
        """Whether the run is recorded at a step."""
        return mcs % self.steps_per_record == 0 or mcs == self.steps

    def step_at(self, time_h: float) -> float:
        """The step at a time of the drug's schedule, perhaps between two."""
        return (time_h - self.start_h) * 3600 / self.mcs_s


class Cells(Table):
    """The endothelial cells at the start."""

    density_per_mm2: Number | None = Field(
        None,
        gt=0,
        description="cells seeded per mm^2; below about 450 no network spans the domain, and gaps "
        "are narrower than in culture: no attractant crosses wide ones",
    )
    count: Whole | None = Field(None, ge=0, description="cells seeded, instead of a density")
    seeding: Literal["random", "grid", "blob", "confluent", "image"] = Field(
        description="random without overlap, on a regular grid, as one round cluster, as a layer "
        "without gaps, or as a label picture has them"
    )
    image: Text | None = Field(
        None, description="label picture (.npy, .tif, .png, .piff) with seeding = 'image'"
    )
    um_per_px: Micrometres | None = Field(
        None, gt=0, description="side of its pixels; that of a site if unset"
    )
    line: Text = Field(description="cell line (a file in sim/data/lines)")
    division: Switch = Field(False, description="whether cells divide, in assays that let them")
    death: Switch = Field(False, description="whether cells die, in assays that let them")


class CellType(Table):
    """A further cell type: it has mechanics, and no receptors."""

    count: Whole = Field(gt=0, description="cells of this type, seeded like the others")
    contact_energy: dict[str, Number] = Field(
        description="contact energy with `medium`, `wall`, `endothelial`, itself and other types"
    )
    area: Constraint = Field(description="area constraint")
    length: Constraint | None = Field(None, description="length constraint, if any")
    mu: dict[str, Number] = Field(
        {}, description="chemotactic strength by field; the rest as in [engine.chemotaxis.FIELD]"
    )
    secretion_per_s: dict[str, Annotated[Number, Field(ge=0)]] = Field(
        {}, description="secretion by field, concentration per second of each site it covers"
    )


class DiffusingField(Table):
    """A concentration field and how it is solved."""

    diffusion_um2_per_s: SquareMicrometresPerSecond | None = Field(
        None, ge=0, description="diffusion coefficient"
    )
    diffusion_per_mcs: Number | None = Field(
        None, ge=0, description="diffusion coefficient in sites^2 per step (units = lattice)"
    )
    decay_per_s: PerSecond | None = Field(None, ge=0, description="first-order decay")
    decay_per_mcs: Number | None = Field(None, ge=0, description="decay per step (lattice)")
    decay_where: Literal["everywhere", "outside", "inside"] = Field(
        "everywhere", description="where it decays: everywhere, outside or inside cells"
    )
    secretion_per_s: PerSecond | None = Field(
        None,
        ge=0,
        description="secretion of each site in endothelial cells, concentration per second",
    )
    secretion_per_mcs: Number | None = Field(None, ge=0, description="secretion per step (lattice)")
    boundary: Literal["no_flux", "absorbing", "periodic"] | None = Field(
        None, description="edge of the field; periodic exactly where the domain is"
    )
    solver: Literal["exponential", "explicit"] = Field(
        "exponential",
        description="exact steady state at any diffusivity, or forward Euler sub-steps",
    )
    substeps: Whole = Field(1, ge=1, le=10_000, description="equal sub-steps per Monte Carlo step")
    precision: Literal["single", "double"] | None = Field(
        None,
        description="precision of explicit sub-steps; single if unset, but double for ligands",
    )
    order: Literal["before_sweep", "after_sweep"] = Field(
        "after_sweep", description="when the field moves relative to the Potts sweep"
    )
    spacing_um: Micrometres | None = Field(
        None, ge=0.01, description="side of a voxel, a multiple of the site's; the site's if unset"
    )

    def per_second(self, what: Literal["decay", "secretion"], mcs_s: float) -> float:
        """A rate in 1/s, whichever of its two keys was given; 0 if neither was."""
        rate = getattr(self, f"{what}_per_s")
        return float(
            rate if rate is not None else (getattr(self, f"{what}_per_mcs") or 0.0) / mcs_s
        )

    def diffusion(self, mcs_s: float, spacing_um: float) -> float:
        """Diffusion coefficient in um^2/s, whichever of its two keys was given."""
        if self.diffusion_um2_per_s is not None:
            return self.diffusion_um2_per_s
        return (self.diffusion_per_mcs or 0.0) * spacing_um**2 / mcs_s


class ContactEnergy(Table):
    """J of each contact between neighbouring sites of different cells."""

    cell_cell: Number = Field(description="J between two cells")
    cell_medium: Number = Field(description="J between a cell and the medium")
    cell_wall: Number = Field(description="J between a cell and the wall")


class Constraint(Table):
    """lambda (x - X)^2 for a cell's area or length."""

    lambda_: Number = Field(alias="lambda", ge=0, description="strength")
    target_sites: Number = Field(gt=0, description="target, in sites")


class Area(Constraint):
    """The area constraint, whose target may follow the cell's own area."""

    creep_h: Hours | None = Field(
        None, gt=0, description="time in which the target follows the area; it is fixed if unset"
    )
    most: Number = Field(
        1.0, ge=1, description="how far it follows a spreading cell, in multiples of target_sites"
    )


class Chemotaxis(Table):
    """dH = -mu [f(c_t) - f(c_s)] with f(c) = c / (1 + s c)."""

    mu: Number | None = Field(
        None,
        description="strength, per unit of the field; not of ligands with sensing = occupancy",
    )
    saturation: Number = Field(
        0.0,
        ge=0,
        description="saturation s, per unit of the field; not of ligands with sensing = occupancy",
    )
    contact_inhibited: Switch = Field(False, description="only at interfaces with the medium")
    acts_on: Literal["extension", "retraction", "both"] = Field(
        "both", description="on a cell that gains a site, that loses one, or both"
    )


class Persistence(Table):
    """dH = -mu (v . (t - s)) with v the direction of recent displacement and away from cells."""

    mu: Number = Field(ge=0, description="strength")
    kappa: Number = Field(
        0.0,
        ge=0,
        description="contact inhibition of locomotion: weight of the way from the neighbours to "
        "free border, in assays that count borders",
    )
    tau_min: Minutes = Field(gt=0, description="memory of the direction")


class Engine(Table):
    """The Cellular Potts model."""

    temperature: Number = Field(gt=0, description="amplitude of membrane fluctuations, T")
    copy_sites: Literal[4, 8, 12, 20] = Field(
        description="neighbours from which a site may be copied"
    )
    contact_sites: Literal[4, 8, 12, 20] = Field(description="neighbours that count as contacts")
    connectivity: Literal["none", "soft", "hard", "authors"] = Field(
        description="copies that would locally break a cell: allowed, penalised, refused, or "
        "penalised as in the code of Merks et al., unless only two cells and no medium meet"
    )
    connectivity_penalty: Number = Field(
        ge=0, description="energy of a break (connectivity = soft or authors)"
    )
    tissue_connectivity_penalty: Number = Field(
        ge=0,
        description="energy, beside that, of medium that would locally cut the tissue, whichever "
        "cells it consists of",
    )
    contact_energy: ContactEnergy
    area: Area
    length: Constraint
    chemotaxis: dict[str, Chemotaxis] = Field({}, description="by the name of the field")
    sensing: Literal["concentration", "occupancy"] = Field(
        description="what cells compare along a gradient of ligand: its concentration, by "
        "engine.chemotaxis.LIGAND, or the share of receptors that bind it and are not inhibited"
    )
    chemotaxis_chi: Number = Field(
        ge=0, description="energy per unit of occupancy at a weight of 0.85 (sensing = occupancy)"
    )
    sensing_L50_ng_ml: dict[str, Annotated[NgPerMl, Field(gt=0)]] = Field(
        {}, description="half-maximal concentration by ligand (sensing = occupancy)"
    )
    persistence: Persistence


class DrivenLength(Table):
    """Length that follows the drive."""

    target_sites: Pair = Field(description="target length [undriven, driven], in sites")
    enclosed_sites: Number | None = Field(
        None,
        gt=0,
        description="instead of that, target length of cells that others enclose, in assays that "
        "count borders",
    )
    enclosed_free: Number = Field(
        0.0, ge=0, le=1, description="share of free border below which a cell is enclosed"
    )


class DrivenMu(Table):
    """A strength that follows the drive."""

    mu: Pair = Field(description="strength [undriven, driven]")


class Behaviour(Table):
    """From receptor signals to the behaviour of a cell."""

    weights: dict[str, Annotated[Number, Field(ge=0, le=1)]] = Field(
        description="w, share of the activity that a saturated receptor switches on"
    )
    antagonism: dict[str, dict[str, Annotated[Number, Field(ge=0, le=1)]]] = Field(
        {}, description="share of a receptor's signal that another's takes away: A.B, A against B"
    )
    basal_activity: Number = Field(ge=0, le=1, description="activity without ligand, E_basal")
    activity_tau_min: Minutes = Field(gt=0, description="time constant of the activity")
    drive_tau_h: Hours = Field(gt=0, description="time constant of the drive")
    length: DrivenLength | None = None
    chemotaxis: dict[str, DrivenMu] = Field({}, description="by the name of the field")
    persistence: DrivenMu | None = None
    division: Division | None = None
    death: Death | None = None
    notch: Notch | None = None


class Receptor(Table):
    """Binding and trafficking of one receptor."""

    k_on_per_M_s: Number = Field(gt=0, description="association, per molar and second")
    k_off_per_s: PerSecond = Field(ge=0, description="dissociation")
    k_int_per_s: PerSecond = Field(gt=0, description="internalisation of free receptor")
    k_int_bound_per_s: PerSecond = Field(gt=0, description="internalisation of bound receptor")
    per_cell: Number = Field(gt=0, description="free surface receptors per cell without ligand")


class Signalling(Table):
    """Receptors of the endothelial cells."""

    enabled: Switch = Field(
        description="false: cells have no receptors and keep the engine's values"
    )
    receptors: dict[str, Receptor] = Field({}, description="by name; each has one ligand")


class Record(Table):
    """What is saved besides the read-outs. Records never change a result."""

    frames: Switch = Field(description="cell lattices at record times, in frames/")
    fields: Switch = Field(description="concentration fields in the frames")
    checkpoint: tuple[Hours, ...] = Field(
        (),
        strict=False,
        description="times, as in the time series, whose checkpoints are kept in checkpoint/",
    )


class Scenario(Table):
    """One experiment, complete: what all classes of model have in common."""

    format: Literal[1] = Field(description="version of this file format")
    name: Text = Field(description="name of the run")
    description: str = Field("", description="one line on what it shows")
    assay: Annotated[Text, Choice(assays)] = Field(description="which assay")
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = Field(
        1, description="seed of all random numbers"
    )
    units: Literal["physical", "lattice"] = Field(
        "physical", description="lattice allows keys per Monte Carlo step (published models)"
    )
    domain: Extent
    time: Time
    setup: SerializeAsAny[Table] = Field(description="how the assay starts")
    drug: Drug | None = None
    partner: Drug | None = Field(None, description="a second drug, with the keys of [drug]")
    readout: SerializeAsAny[Table] = Field(description="how the assay is read")
    record: Record
    resolved: Resolved = Field(
        default_factory=lambda: Resolved.model_validate({}),
        description="what was looked up in data files; written, not typed",
    )

    @field_validator("setup", "readout", mode="before")
    @classmethod
    def _table_of_the_assay(cls, given: Any, info: ValidationInfo) -> Table:
        """Read a table that each assay has for itself."""
        known = assays().get(info.data.get("assay", ""), default_assay())
        own: type[Table] = getattr(known, str(info.field_name))
        return own.model_validate(given)

    @property
    def shape(self) -> tuple[int, int]:
        """Sites of the lattice, or voxels, [y, x]."""
        x, y = (round(side / self.domain.spacing_um) for side in self.domain.size_um)
        return y, x

    @property
    def checkpoint_steps(self) -> set[int]:
        """Steps whose checkpoints are kept for good."""
        return {round(self.time.step_at(time_h)) for time_h in self.record.checkpoint}


class LatticeScenario(Scenario):
    """An experiment with cells on a lattice."""

    domain: Domain
    cells: Cells
    types: dict[str, CellType] = Field({}, description="further cell types")
    ligands: dict[str, Ligand] = Field({}, description="growth factors in the medium")
    fields: dict[str, DiffusingField] = Field({}, description="how each field moves")
    engine: Engine
    behaviour: Behaviour | None = None
    signalling: Signalling

    def voxels(self, field: str) -> tuple[int, int]:
        """Voxels of a field, [y, x]."""
        site_um = self.domain.spacing_um
        factor = round((self.fields[field].spacing_um or site_um) / site_um)
        return self.shape[0] // factor, self.shape[1] // factor

    def uphill(self) -> tuple[str, float, float]:
        """Return the first ligand that rises and its direction [y, x]; none, and y, without one."""
        for name, ligand in self.ligands.items():
            gradient = ligand.gradient
            if gradient is not None and gradient.low_ng_ml != gradient.high_ng_ml:
                sign = 1.0 if gradient.high_ng_ml > gradient.low_ng_ml else -1.0
                return (name, sign, 0.0) if gradient.axis == "y" else (name, 0.0, sign)
        return "", 1.0, 0.0

    def sensed_by_occupancy(self, field: str) -> bool:
        """Whether cells compare how much of a field's receptor is bound."""
        return self.engine.sensing == "occupancy" and field in self.ligands


CellType.model_rebuild()
