"""Beds for tests: the numbers of the shipped model, set-ups, and a whole step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.bed import Bed, Numbers

NUMBERS = Numbers(
    size_um=2400.0, voxel_um=20.0, slab_um=100.0, piece_um=20.0,
    D_O2_um2_per_s=2000.0, Pb_mmHg=40.0, q_mmHg_per_s=15.0, Km_mmHg=1.5,
    hypoxic_mmHg=10.0, anoxic_mmHg=1.0, psi_um_per_s=1000.0, r_um=5.0, viscosity_mPa_s=4.0,
    k_host_per_s=0.2, P_host_mmHg=30.0, arterial_mmHg=(25.0, 24.0), venous_mmHg=(16.0, 15.0),
    v_perf_um_per_s=10.0, D_VEGF_um2_per_s=100.0, k_per_s=1.8e-4, s_molecules_per_s=0.03,
    L50_ng_ml=2.5, w=0.85, f=6.0, U_molecules_per_s=1.1, o_F=0.1, rho_per_um3=2.2e-4,
    tau_V_h=24.0, k_reg_per_h=0.035, V0=0.2, e_host=0.2, v_feed_um_per_s=20.0,
    T_noflow_h=66.7, k_noflow_per_h=0.0416667, T_sprout_h=240.0, T_sleeve_h=504.0,
    k_refill_per_h=1.0, c_P=0.1, k_rec_per_d=0.1, k_off_per_d=0.14, k_shed_per_d=0.1,
    T_mature_h=24.0, thr_ng_ml=0.5, v_max_um_per_h=10.0, k_sp_per_h=0.0075, R_ex_um=80.0,
    R_an_um=25.0, free_um=40.0, chi=0.5, eta=0.35, T_d_d=30.0, T_an_d=5.0, T_clear_d=10.0,
    gamma_um2_per_h=30.0, vegf_kda=45.0,
)  # fmt: skip
NETWORK = {"spacing_um": 130.0, "left_out": 0.15, "age_h": 480.0, "covered": 0.5, "survival": 0.4}
NOTHING = (0.0, 0.0, 0.0)
ALL = (1.0, 1.0, 1.0)


def bed_of(seed: int = 1, **numbers: Any) -> Bed:
    """An empty bed with some numbers of its own."""
    return Bed(NUMBERS._replace(**numbers), seed)


def with_parents(
    seed: int = 1, radius_um: float = 300.0, gap_um: float = 100.0, mesh: bool = False,
    **numbers: Any,
) -> Bed:  # fmt: skip
    """A tumour between an artery and a vein, with a mesh of vessels or without."""
    bed = bed_of(seed, **numbers)
    n = bed.numbers
    bed.place_tumour(radius_um)
    middle, off = n.size_um / 2, radius_um + gap_um
    left = bed.add_parent(middle - off, n.arterial_mmHg)
    right = bed.add_parent(middle + off, n.venous_mmHg)
    if mesh:
        bed.add_network(left, right, **NETWORK)
    bed.begin()
    return bed


def with_mesh(seed: int = 1, **numbers: Any) -> Bed:
    """The set-up of schedules: a mesh of vessels around a tumour."""
    return with_parents(seed, 270.0, 450.0, mesh=True, **numbers)


def step(bed: Bed, inhibition: Sequence[float] = NOTHING) -> None:
    """One hour."""
    bed.order_rows()
    bed.fields()
    bed.survive(inhibition)
    bed.pericytes(inhibition)
    bed.regress()
    bed.refill()
    bed.sprout()
    bed.move_tips(inhibition)
    bed.grow()
    bed.drop_unused_nodes()
    bed.flow()
    bed.finish()


def run(
    bed: Bed, hours: int, inhibition: Sequence[float] | Callable[[int], Sequence[float]] = NOTHING
) -> Bed:
    """Some hours, under inhibition of VEGFR2, PDGFRB and FGFR1 (or what it is at a step)."""
    for _ in range(hours):
        step(bed, inhibition(bed.step_number) if callable(inhibition) else inhibition)
    return bed
