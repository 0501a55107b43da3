"""From a scenario to the arrays and numbers that the kernels take: units end here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.assays import assay
from sim.pharmacology.course import ROUNDING_H
from sim.pharmacology.exposure import Media
from sim.scenario.ligands import Ligand
from sim.scenario.schema import LatticeScenario
from sim.signalling import pathways as signalling
from sim.signalling.pathways import Constants, Pathway, steady_activity
from sim.signalling.receptors import ReceptorRates, steady_state
from sim.tissue import LEAST_SIDE, CellStore, Field, Rules, Tissue, rules
from sim.units import ng_per_ml_to_nM

ENDOTHELIAL = 1  # cell type; 0 is medium, further types follow, the last is the wall
WEIGHT_OF_CHI = 0.85  # of the pathway whose strength is engine.chemotaxis_chi


@dataclass(frozen=True)
class Sensing:
    """How strongly cells follow ligands by the occupancy of their receptors, without drug."""

    pathways: list[int]
    """places among the pathways"""
    columns: list[int]
    """of ``mu``"""
    mu: NDArray[np.float64]
    """per ng/mL"""


@dataclass(frozen=True)
class Reactions:
    """What is gained and lost in a field, per second."""

    decay_outside: float
    decay_inside: float
    secretion: NDArray[np.float64]
    """(cell types,) of each site that a cell of the type covers"""
    exchange: float
    """with the bath"""
    order: str
    """whether it moves ``before_sweep`` or ``after_sweep``"""
    takers: list[int]
    """columns of the receptors that take it up"""


def small(scenario: LatticeScenario) -> LatticeScenario:
    """The same experiment on a few sites, of the form that it has on many."""
    site_um = scenario.domain.spacing_um
    voxels = [round((field.spacing_um or site_um) / site_um) for field in scenario.fields.values()]
    step = math.lcm(*voxels)
    side_um = step * -(-LEAST_SIDE // step) * site_um
    return scenario.model_copy(
        update={
            "domain": scenario.domain.model_copy(
                update={"size_um": tuple(min(side_um, own) for own in scenario.domain.size_um)}
            ),
        }
    )


def chemotactic_fields(scenario: LatticeScenario) -> list[str]:
    """Names of the fields that cells follow, in the order of the columns of ``mu``."""
    driven = scenario.behaviour.chemotaxis if scenario.behaviour else {}
    return [
        name
        for name, taxis in scenario.engine.chemotaxis.items()
        if taxis.mu
        or name in driven
        or any(t.mu.get(name) for t in scenario.types.values())
        or (scenario.sensed_by_occupancy(name) and _supplied(scenario, name))
    ]


def _supplied(scenario: LatticeScenario, ligand: str) -> bool:
    """Whether there can be any of a ligand: more fields to follow make a sweep slower."""
    bath, field = scenario.ligands[ligand], scenario.fields[ligand]
    return bool(
        bath.bath_ng_ml
        or bath.media
        or bath.gradient
        or field.secretion_per_s
        or field.secretion_per_mcs
        or any(further.secretion_per_s.get(ligand) for further in scenario.types.values())
    )


def sensing_of(scenario: LatticeScenario, pathways: list[Pathway]) -> Sensing:
    """What cells follow by occupancy: mu = chi (w / 0.85) / L50 with f(c) = c / (1 + c / L50).

    mu f is chi times the share of receptors that are bound in steady state.
    """
    followed, engine = chemotactic_fields(scenario), scenario.engine
    places = [
        k
        for k, pathway in enumerate(pathways)
        if pathway.ligand in followed and scenario.sensed_by_occupancy(pathway.ligand)
    ]
    return Sensing(
        pathways=places,
        columns=[followed.index(pathways[k].ligand) for k in places],
        mu=np.array(
            [
                engine.chemotaxis_chi
                * (pathways[k].weight / WEIGHT_OF_CHI)
                / engine.sensing_L50_ng_ml[pathways[k].ligand]
                for k in places
            ]
        ),
    )


def rules_of(scenario: LatticeScenario) -> Rules:
    """What a copy costs."""
    engine = scenario.engine
    names = ["medium", "endothelial", *scenario.types, "wall"]
    J = np.zeros((len(names), len(names)))
    own = {
        ("medium", "endothelial"): engine.contact_energy.cell_medium,
        ("endothelial", "endothelial"): engine.contact_energy.cell_cell,
        ("endothelial", "wall"): engine.contact_energy.cell_wall,
    }
    for name, further in scenario.types.items():
        own |= {(name, other): J_ for other, J_ in further.contact_energy.items()}
    for (one, other), value in own.items():
        a, b = names.index(one), names.index(other)
        J[a, b] = J[b, a] = value
    stiffness = np.zeros((len(names), 2))
    stiffness[ENDOTHELIAL] = engine.area.lambda_, engine.length.lambda_
    for tau, further in enumerate(scenario.types.values(), start=2):
        stiffness[tau] = further.area.lambda_, further.length.lambda_ if further.length else 0.0
    driven = scenario.behaviour is not None and scenario.behaviour.persistence is not None
    followed = chemotactic_fields(scenario)
    taxis = [engine.chemotaxis[name] for name in followed]
    return rules(
        temperature=engine.temperature,
        J=J,
        stiffness=stiffness,
        connectivity=engine.connectivity,
        connectivity_penalty=engine.connectivity_penalty,
        tissue_penalty=engine.tissue_connectivity_penalty,
        contact_inhibited=[t.contact_inhibited for t in taxis],
        acts_on=[t.acts_on for t in taxis],
        saturation=[
            1.0 / engine.sensing_L50_ng_ml[name]
            if scenario.sensed_by_occupancy(name)
            else engine.chemotaxis[name].saturation
            for name in followed
        ],
        copy_sites=engine.copy_sites,
        contact_sites=engine.contact_sites,
        persistent=driven or engine.persistence.mu != 0.0,
    )


def cells_of(scenario: LatticeScenario, types: list[int], pathways: list[Pathway]) -> CellStore:
    """The cell store with every cell's targets, before its sites are counted."""
    followed, parts = chemotactic_fields(scenario), assay(scenario.assay).parts
    cells = CellStore(
        len(types),
        wall_type=len(scenario.types) + 2,
        fields=len(followed),
        extra={
            "free_receptors": (np.float64, (len(pathways),)),
            "bound_receptors": (np.float64, (len(pathways),)),
            "uptake": (np.float64, (len(pathways),)),
            "activity": (np.float64, ()),
            "drive": (np.float64, ()),
        }
        | ({"survival": (np.float64, ()), "dying": (np.int64, ())} if scenario.cells.death else {})
        | (dict.fromkeys(("notch", "delta"), (np.float64, ())) if "notch" in parts else {}),
    )
    rows = cells.born_together(types)
    own = rows[cells["type"][rows] == ENDOTHELIAL]
    cells["mu"][own] = [scenario.engine.chemotaxis[name].mu or 0.0 for name in followed]
    sensing = sensing_of(scenario, pathways)
    cells["mu"][own[:, None], sensing.columns] = sensing.mu
    cells["free_receptors"][own] = [pathway.rates.per_cell for pathway in pathways]
    cells["activity"][own] = cells["drive"][own] = (
        scenario.behaviour.basal_activity if scenario.behaviour else 0.0
    )
    cells["target"][own] = scenario.engine.area.target_sites, scenario.engine.length.target_sites
    for tau, further in enumerate(scenario.types.values(), start=ENDOTHELIAL + 1):
        own = rows[cells["type"][rows] == tau]
        cells["mu"][own] = [further.mu.get(name, 0.0) for name in followed]
        length = further.length.target_sites if further.length else 0.0
        cells["target"][own] = further.area.target_sites, length
    return cells


def _adapt(tissue: Tissue, scenario: LatticeScenario, pathways: list[Pathway]) -> None:
    """Bring cells to where they are after long exposure to the medium around them without drug."""
    if (constants := constants_of(scenario, pathways)) is None:
        return
    cells, ligands = tissue.cells, [pathway.ligand for pathway in pathways]
    rows = np.flatnonzero(cells["alive"] & (cells["type"] == ENDOTHELIAL))
    ng_ml = tissue.means_at_cells(ligands)[rows]
    signals = np.zeros(ng_ml.shape)
    for k, pathway in enumerate(pathways):
        free, bound = steady_state(ng_ml[:, k] * pathway.M_per_ng_ml, pathway.rates)
        cells["free_receptors"][rows, k], cells["bound_receptors"][rows, k] = free, bound
        signals[:, k] = np.minimum(1.0, bound / pathway.saturated)
    activity = [steady_activity(own, constants) for own in signals]
    cells["activity"][rows] = cells["drive"][rows] = activity


def pathways_of(scenario: LatticeScenario) -> list[Pathway]:
    """Ligands and their receptors."""
    if scenario.behaviour is None:
        return []
    pathways = []
    for name, receptor in scenario.signalling.receptors.items():
        ligand = scenario.resolved.receptors[name].ligand
        molar_mass = scenario.resolved.ligands[ligand].molar_mass_g_per_mol
        M_per_ng_ml = ng_per_ml_to_nM(1.0, molar_mass) * 1e-9
        rates = ReceptorRates(
            k_on=receptor.k_on_per_M_s,
            k_off=receptor.k_off_per_s,
            k_int=receptor.k_int_per_s,
            k_int_bound=receptor.k_int_bound_per_s,
            per_cell=receptor.per_cell,
        )
        saturating_M = scenario.ligands[ligand].saturating_ng_ml * M_per_ng_ml
        pathways.append(
            Pathway(
                receptor=name,
                ligand=ligand,
                rates=rates,
                M_per_ng_ml=M_per_ng_ml,
                weight=scenario.behaviour.weights[name],
                saturated=float(steady_state(saturating_M, rates)[1]),
            )
        )
    return pathways


def constants_of(scenario: LatticeScenario, pathways: list[Pathway]) -> Constants | None:
    """Constants of signalling; None if cells have none."""
    behaviour = scenario.behaviour
    if behaviour is None:
        return None
    return signalling.constants_of(
        pathways,
        antagonism_of(scenario, pathways),
        basal=behaviour.basal_activity,
        tau_activity_s=behaviour.activity_tau_min * 60,
        tau_drive_s=behaviour.drive_tau_h * 3600,
    )


def antagonism_of(scenario: LatticeScenario, pathways: list[Pathway]) -> NDArray[np.float64]:
    """Share of the second receptor's signal that the first one's takes away."""
    names = [pathway.receptor for pathway in pathways]
    shares = np.zeros((len(names), len(names)))
    if scenario.behaviour is not None:
        for one, others in scenario.behaviour.antagonism.items():
            for other, share in others.items():
                shares[names.index(one), names.index(other)] = share
    return shares


def fields_of(scenario: LatticeScenario) -> list[Field]:
    """The fields at the start: ligands as in the bath, the others empty."""
    site_um, baths = scenario.domain.spacing_um, baths_of(scenario)
    out = []
    for name, spec in scenario.fields.items():
        voxel_um = spec.spacing_um or site_um
        factor = round(voxel_um / site_um)
        out.append(
            Field(
                name=name,
                values=np.full(scenario.voxels(name), baths[name]),
                factor=factor,
                diffusion=spec.diffusion(scenario.time.mcs_s, site_um) / voxel_um**2,
                edge=spec.boundary or "no_flux",
                solver=spec.solver,
                substeps=spec.substeps,
                precision=spec.precision or ("double" if name in scenario.ligands else "single"),
            )
        )
    return out


def _bath_before(scenario: LatticeScenario, ligand: Ligand) -> float:
    """Concentration in which cells were before the run: a medium that begins with it is new."""
    before = [m.bath_ng_ml for m in ligand.media if m.at_h < scenario.time.start_h - ROUNDING_H]
    return before[-1] if before else ligand.bath_ng_ml


def media_of(scenario: LatticeScenario) -> dict[str, Media]:
    """The baths that change in the course of the run, by field."""
    return {
        name: Media(
            (-math.inf, *(medium.at_h for medium in ligand.media)),
            (ligand.bath_ng_ml, *(medium.bath_ng_ml for medium in ligand.media)),
        )
        for name, ligand in scenario.ligands.items()
        if ligand.media
    }


def baths_of(scenario: LatticeScenario) -> dict[str, NDArray[np.float64]]:
    """Concentration () in the bath by field, ng/mL: that of its ligand, 0 for the others.

    A bath with a gradient has a value for each voxel of the field.
    """
    ligands, baths = scenario.ligands, {}
    for name in scenario.fields:
        bath = _bath_before(scenario, ligands[name]) if name in ligands else 0.0
        gradient = ligands[name].gradient if name in ligands else None
        baths[name] = np.array(float(bath))
        if gradient is not None:
            rows, columns = scenario.voxels(name)
            along = rows if gradient.axis == "y" else columns
            share = (np.arange(along) + 0.5) / along
            line = gradient.low_ng_ml + (gradient.high_ng_ml - gradient.low_ng_ml) * share
            line = line[:, None] if gradient.axis == "y" else line[None, :]
            baths[name] = np.ascontiguousarray(np.broadcast_to(line, (rows, columns)))
    return baths


def reactions_of(scenario: LatticeScenario, pathways: list[Pathway]) -> dict[str, Reactions]:
    """What is gained and lost in each field."""
    mcs_s, out = scenario.time.mcs_s, {}
    for name, spec in scenario.fields.items():
        ligand, decay = scenario.ligands.get(name), spec.per_second("decay", mcs_s)
        secretions = [further.secretion_per_s.get(name, 0.0) for further in scenario.types.values()]
        out[name] = Reactions(
            decay_outside=decay if spec.decay_where != "inside" else 0.0,
            decay_inside=decay if spec.decay_where != "outside" else 0.0,
            secretion=np.array([0.0, spec.per_second("secretion", mcs_s), *secretions, 0.0]),
            exchange=ligand.exchange_per_s if ligand else 0.0,
            order=spec.order,
            takers=[
                k for k, p in enumerate(pathways) if p.ligand == name and ligand and ligand.uptake
            ],
        )
    return out


def tissue_of(
    scenario: LatticeScenario, lattice: NDArray[np.int32], types: list[int], pathways: list[Pathway]
) -> Tissue:
    """Cells of these types on a lattice, and the fields around them."""
    tissue = Tissue(
        lattice,
        cells_of(scenario, types, pathways),
        fields_of(scenario),
        chemotactic_fields(scenario),
        rules_of(scenario),
        periodic=scenario.domain.boundary == "periodic",
    )
    if assay(scenario.assay).adapted:
        _adapt(tissue, scenario, pathways)
    if scenario.cells.death:
        tissue.cells["survival"][:] = tissue.cells["activity"]
    return tissue
