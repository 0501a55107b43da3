"""A scenario of a tumour's vessels: the keys that it has instead of those of cells on a lattice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from sim.scenario.schema import Extent, Scenario, Time
from sim.tables import Hours, Micrometres, NgPerMl, Number, PerSecond, Seconds, Table

MmHg = Annotated[Number, Field(ge=0, le=200)]
Ends = Annotated[tuple[MmHg, MmHg], Strict(False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Rate = Annotated[Number, Field(ge=0)]
Days = Annotated[Number, Field(ge=0.25)]
"""Of the tumour, whose step is 6 h."""
STEP_S = 3600.0


class BedTime(Time):
    """How long, and how often to record; day 0 is the start of the drug."""

    mcs_s: Seconds = Field(ge=STEP_S, le=STEP_S, description="duration of a step; one hour")
    start_h: Hours = Field(
        0.0, le=0, description="time at which the run starts; -24 setup.drug_start_day"
    )


class Voxels(Extent):
    """The section of tissue."""

    spacing_um: Micrometres = Field(ge=5, le=50, description="side of a voxel of the fields")


class Vessels(Table):
    """Numbers of vessels, oxygen, VEGF and tumour."""

    slab_um: Micrometres = Field(gt=0, description="thickness of the slab of tissue")
    piece_um: Micrometres = Field(ge=5, le=100, description="length of a piece: one cell")
    D_O2_um2_per_s: Positive = Field(description="diffusion of oxygen")
    Pb_mmHg: MmHg = Field(description="oxygen in the blood")
    q_mmHg_per_s: Rate = Field(description="most that viable tumour consumes")
    Km_mmHg: Positive = Field(description="oxygen at which it consumes half of that")
    hypoxic_mmHg: Positive = Field(description="oxygen below which tissue is hypoxic")
    anoxic_mmHg: Positive = Field(description="oxygen below which tissue is anoxic, and dies")
    psi_um_per_s: Rate = Field(description="permeability of the vessel wall to oxygen")
    r_um: Micrometres = Field(gt=0, description="radius of all vessels")
    viscosity_mPa_s: Positive = Field(description="of the blood")
    k_host_per_s: PerSecond = Field(ge=0, description="exchange of oxygen with the host's vessels")
    P_host_mmHg: MmHg = Field(description="oxygen in host tissue")
    arterial_mmHg: Ends = Field(description="pressure at the ends of the arterial parent [in, out]")
    venous_mmHg: Ends = Field(description="pressure at the ends of the venous parent [in, out]")
    v_perf_um_per_s: Rate = Field(description="velocity above which a vessel counts as perfused")
    D_VEGF_um2_per_s: Positive = Field(description="diffusion of VEGF")
    k_per_s: PerSecond = Field(gt=0, description="decay of VEGF")
    s_molecules_per_s: Rate = Field(description="VEGF that a tumour cell secretes in ample oxygen")
    L50_ng_ml: NgPerMl = Field(gt=0, description="VEGF that occupies half of the receptors")
    w: Positive = Field(le=1, description="activity that one saturated receptor makes")
    f: Number = Field(ge=1, description="secretion of VEGF without oxygen, in multiples")
    U_molecules_per_s: Rate = Field(description="most VEGF that an endothelial cell takes up")
    o_F: Share = Field(description="occupancy of FGFR1, held")
    rho_per_um3: Rate = Field(description="tumour cells per volume")
    vegf_kda: Positive = Field(description="molar mass of VEGF")
    tau_V_h: Hours = Field(gt=0, description="time constant of survival")
    k_reg_per_h: Rate = Field(description="regression of a piece without survival signal")
    V0: Positive = Field(le=1, description="survival below which vessels regress")
    e_host: Share = Field(description="activity that host tissue keeps up")
    v_feed_um_per_s: Positive = Field(description="velocity at which regression is half as fast")
    T_noflow_h: Hours = Field(ge=0, description="time without flow after which pieces are pruned")
    k_noflow_per_h: Rate = Field(description="rate at which pieces without flow are pruned")
    T_sprout_h: Hours = Field(ge=0, description="life of a tip; younger pieces are not pruned")
    T_sleeve_h: Hours = Field(ge=0, description="how long an empty sleeve stays")
    k_refill_per_h: Rate = Field(description="refilling of sleeves at full activity")
    c_P: Share = Field(description="regression under a pericyte, relative to a bare piece")
    k_rec_per_d: Rate = Field(description="recruitment of pericytes")
    k_off_per_d: Rate = Field(description="loss of pericytes when PDGFR-beta is blocked")
    k_shed_per_d: Rate = Field(description="loss of pericytes otherwise")
    T_mature_h: Hours = Field(ge=0, description="age from which pieces sprout and recruit")
    thr_ng_ml: NgPerMl = Field(ge=0, description="VEGF above which vessels sprout")
    v_max_um_per_h: Positive = Field(le=20, description="velocity of a tip at full activity")
    k_sp_per_h: Rate = Field(description="sprouts of an endothelial cell at full activity")
    R_ex_um: Micrometres = Field(ge=0, description="distance within which a tip keeps others away")
    R_an_um: Micrometres = Field(ge=0, le=200, description="distance at which a tip joins a vessel")
    free_um: Micrometres = Field(ge=0, description="path after which a tip may join")
    chi: Rate = Field(description="weight of the VEGF gradient in a tip's direction")
    eta: Rate = Field(description="weight of chance in a tip's direction")
    T_d_d: Days = Field(description="doubling time of the tumour in ample oxygen, days")
    T_an_d: Days = Field(description="half-life of tumour cells without oxygen, days")
    T_clear_d: Days = Field(description="half-life of dead tissue, days")
    gamma_um2_per_h: Rate = Field(le=200, description="smoothing of the tumour's outline")


class BedScenario(Scenario):
    """An experiment with the vessels of a tumour."""

    domain: Voxels
    time: BedTime
    bed: Vessels
