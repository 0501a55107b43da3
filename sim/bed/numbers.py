"""The numbers of the model of a tumour's bed."""

from __future__ import annotations

from typing import NamedTuple


class Numbers(NamedTuple):
    """Every constant of the model, without defaults; the unit is in the name.

    Times of the model are hours, except in rates of the fields, which are per second.
    """

    size_um: float
    """Side of the square domain"""
    voxel_um: float
    slab_um: float
    """Thickness of the tissue that the domain stands for"""
    piece_um: float
    """Length of one endothelial cell along a vessel"""
    D_O2_um2_per_s: float
    Pb_mmHg: float
    """Oxygen in blood"""
    q_mmHg_per_s: float
    """Consumption by viable tumour at ample oxygen"""
    Km_mmHg: float
    hypoxic_mmHg: float
    anoxic_mmHg: float
    psi_um_per_s: float
    """Permeability of the vessel wall to oxygen"""
    r_um: float
    """Radius of every vessel"""
    viscosity_mPa_s: float
    k_host_per_s: float
    """Exchange of host tissue with its own microvessels"""
    P_host_mmHg: float
    arterial_mmHg: tuple[float, float]
    """Upper and lower end of the arterial parent vessel"""
    venous_mmHg: tuple[float, float]
    v_perf_um_per_s: float
    """Speed of blood above which a piece counts as perfused"""
    D_VEGF_um2_per_s: float
    k_per_s: float
    """Decay of VEGF"""
    s_molecules_per_s: float
    """VEGF from one tumour cell at ample oxygen"""
    L50_ng_ml: float
    w: float
    """Weight of a receptor's signal in endothelial activity"""
    f: float
    """Fold release of VEGF without oxygen"""
    U_molecules_per_s: float
    """Most VEGF that one endothelial cell takes up"""
    o_F: float
    """Occupancy of FGFR1, held"""
    rho_per_um3: float
    """Tumour cells in viable tumour"""
    tau_V_h: float
    k_reg_per_h: float
    V0: float
    """Survival signal below which a piece regresses"""
    e_host: float
    """Activity that host tissue gives its own vessels"""
    v_feed_um_per_s: float
    """Speed of blood that halves regression"""
    T_noflow_h: float
    k_noflow_per_h: float
    T_sprout_h: float
    """Longest life of a tip; pieces younger than this are not pruned for lack of flow"""
    T_sleeve_h: float
    k_refill_per_h: float
    c_P: float
    """Share of the regression hazard that is left under a pericyte"""
    k_rec_per_d: float
    """Recruitment of pericytes"""
    k_off_per_d: float
    """Loss of pericytes under full inhibition of PDGFRB, beside shedding"""
    k_shed_per_d: float
    T_mature_h: float
    """Age from which a piece sprouts and gains pericytes"""
    thr_ng_ml: float
    """VEGF above which a piece sprouts"""
    v_max_um_per_h: float
    k_sp_per_h: float
    """Sprouts from one endothelial cell at full activity"""
    R_ex_um: float
    """No sprout begins nearer than this to a tip"""
    R_an_um: float
    """A tip joins a vessel within this distance"""
    free_um: float
    """Path of a tip before it joins anything"""
    chi: float
    """Weight of the gradient in a tip's direction"""
    eta: float
    """Weight of chance in a tip's direction"""
    T_d_d: float
    """Doubling time of tumour area at ample oxygen"""
    T_an_d: float
    """Half-life of viable tumour without oxygen"""
    T_clear_d: float
    """Half-life of dead tumour"""
    gamma_um2_per_h: float
    """Smoothing of the outline by its curvature"""
    vegf_kda: float
