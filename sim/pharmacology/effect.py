"""What one or two drugs do to receptors: at once, or with a slow off-rate.

Drugs exclude each other at a receptor. With x = (D / IC50)^h of each, D being unbound drug, the
share R that stays active is

    R = 1 / (1 + sum x)                                      in equilibrium, so that I = 1 - R
    O' = (x R - O) / residence,  R = (1 - sum of slow O) / (1 + sum of fast x)

where O is the share that a slow drug occupies: its off-rate is 1 / residence, and its on-rate such
that it comes to the same equilibrium. With one drug and D constant, O comes to x / (1 + x) with the
rate (1 + x) / residence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.pharmacology.course import BEFORE_H, ROUNDING_H
from sim.pharmacology.drugs import Potency, inhibition
from sim.pharmacology.exposure import Exposure, Pharmacokinetic

Array = NDArray[np.float64]

CHUNK_H = 24.0  # solved at once; its nodes do not depend on when anything is asked
STEPS = 6  # of a chunk, at first
SOON_H = 2.0 ** np.arange(-8, 3, 2)  # ends of the first steps after a sudden change
TOLERANCE = 1e-9  # of an occupancy, between a step and its halves, which are taken
MOST_HALVINGS = 10
BLOCK = 2**12  # steps x subjects that are solved at once: fits the processor's cache
MEMORY = 30.0  # residence times after which nothing is left of what was before
STAGES = 5


@dataclass(frozen=True)
class Agent:
    """A drug at its receptors.

    Parameters
    ----------
    exposure : Exposure
        Its concentrations, of one subject or of many.
    potency : Potency
        IC50 and slope by receptor.
    residence_h : mapping of str to float
        Mean time that it stays on a receptor, by receptor; it comes and goes at once where there
        is none.
    """

    exposure: Exposure
    potency: Potency
    residence_h: Mapping[str, float] = field(default_factory=dict)

    def some(self, which: slice | NDArray[np.intp]) -> Agent:
        """Return the drug in some of the subjects."""
        exposure, potency = self.exposure, self.potency
        if isinstance(exposure, Pharmacokinetic):
            exposure = replace(exposure, model=exposure.model.some(which))
        taken = {name: one[which] if np.ndim(one) else one for name, one in potency.ic50_nM.items()}  # type: ignore[index]
        return replace(self, exposure=exposure, potency=replace(potency, ic50_nM=taken))

    def ratio(self, receptors: Sequence[str], time_h: ArrayLike) -> list[Array]:
        """Return x by receptor: (unbound drug / IC50)^h; 0 for one that it does not bind."""
        free_nM = np.asarray(self.exposure.free_nM(np.asarray(time_h, dtype=np.float64)))
        found = []
        for receptor in receptors:
            if receptor not in self.potency.ic50_nM:
                found.append(np.zeros_like(free_nM))
                continue
            ic50 = np.asarray(self.potency.ic50_nM[receptor])
            ic50 = ic50.reshape(ic50.shape + (1,) * (free_nM.ndim - ic50.ndim))
            found.append(np.asarray((free_nM / ic50) ** self.potency.hill[receptor]))
        return found


class Effect:
    """The inhibition of receptors over time.

    Parameters
    ----------
    agents : sequence of Agent
        One drug, or two.
    """

    def __init__(self, agents: Sequence[Agent]) -> None:
        self.agents = tuple(agents)
        self.receptors = tuple(dict.fromkeys(r for a in agents for r in a.potency.ic50_nM))
        groups: dict[tuple[bool, ...], list[str]] = {}  # by which drugs leave slowly
        for receptor in self.receptors:
            slow = tuple(receptor in agent.residence_h for agent in agents)
            groups.setdefault(slow, []).append(receptor)
        self._at_once = next((of for slow, of in groups.items() if not any(slow)), [])
        self._slow = [_Occupancy(self.agents, of) for slow, of in groups.items() if any(slow)]
        self._last: tuple[object, dict[str, Array]] = (None, {})

    @property
    def alone(self) -> bool:
        """Whether there is one drug, which acts at once and alike in all subjects."""
        ic50s = self.agents[0].potency.ic50_nM.values()
        return len(self.agents) == 1 and not self._slow and not any(map(np.ndim, ic50s))

    def inhibition(self, time_h: ArrayLike) -> dict[str, Array]:
        """Return the inhibited fraction of each receptor, of the shape of the concentrations.

        Where a drug leaves slowly, integrated to about 1e-10 from time 0 on, before which there is
        none (of a steady state there always was).
        """
        time = np.asarray(time_h, dtype=np.float64)
        asked = time.shape, time.tobytes()
        if self._last[0] != asked:  # several parts of a step ask for the same times
            self._last = asked, self._inhibition(time)
        return dict(self._last[1])

    def _inhibition(self, time: Array) -> dict[str, Array]:
        if self.alone:
            agent = self.agents[0]
            return dict(inhibition(np.asarray(agent.exposure.free_nM(time)), agent.potency))
        ratios = [agent.ratio(self._at_once, time) for agent in self.agents]
        with np.errstate(divide="ignore"):  # no drug
            found = {
                receptor: np.asarray(1.0 / (1.0 + 1.0 / sum(x)))
                for receptor, *x in zip(self._at_once, *ratios, strict=True)
            }
        for slow in self._slow:
            found |= slow.inhibition(time)
        return {receptor: found[receptor] for receptor in self.receptors}


class _Occupancy:
    """Occupancy of receptors that the same drugs leave slowly, node by node.

    Radau IIA with five stages (order 9, L-stable), with steps that are halved until a step and its
    halves agree. All is a function of the schedule, and nothing depends on what was asked before.
    The drugs' equations are linear in the occupancies, so that a step is O(end) = M O(start) + N.
    Rows are the subjects of the first receptor, then those of the next one.
    """

    def __init__(self, agents: Sequence[Agent], receptors: Sequence[str]) -> None:
        self.receptors = receptors
        self.slow = [agent for agent in agents if receptors[0] in agent.residence_h]
        self.fast = [agent for agent in agents if receptors[0] not in agent.residence_h]
        self.agents = agents
        at_0 = (np.asarray(agent.exposure.free_nM(np.zeros(1))) for agent in agents)
        self.subjects = max(found.shape[0] if found.ndim == 2 else 0 for found in at_0)
        k = [[1.0 / agent.residence_h[one] for one in receptors] for agent in self.slow]
        self.k = np.repeat(k, self.subjects or 1, axis=1)  # (slow drugs, rows)
        steady = any(getattr(agent.exposure, "cycle_h", None) is not None for agent in agents)
        self.first = -ceil(MEMORY / float(self.k.min()) / CHUNK_H) if steady else 0
        self._times: list[Array] = []
        self._nodes: list[Array] = []  # (times, slow drugs, rows)

    def inhibition(self, time: Array) -> dict[str, Array]:
        """Return the inhibited fraction by receptor, of the shape of the concentrations."""
        flat = time.ravel()
        held = self._at(flat).sum(axis=1).T  # (rows, times)
        found = 1.0 - (1.0 - held) / (1.0 + self._ratio(self.fast, flat).sum(axis=0))
        shape = ((self.subjects,) if self.subjects else ()) + time.shape
        return dict(zip(self.receptors, found.reshape(len(self.receptors), *shape), strict=True))

    def _ratio(self, agents: Sequence[Agent], time: Array) -> Array:
        """Return x of these drugs, (drugs, rows, times)."""
        found = np.zeros((len(agents), len(self.receptors), self.subjects or 1, time.size))
        for place, agent in enumerate(agents):
            for row, x in enumerate(agent.ratio(self.receptors, time)):
                found[place, row] = x
        return found.reshape(len(agents), self.k.shape[1], time.size)

    def _at(self, time: Array) -> Array:
        """Return the occupancies (times, slow drugs, rows); 0 before the beginning."""
        last = floor((float(time.max()) + ROUNDING_H) / CHUNK_H) if time.size else self.first
        while self.first + len(self._times) <= last:
            self._solve(self.first + len(self._times))
        place = np.floor((time + ROUNDING_H) / CHUNK_H).astype(int) - self.first
        found = np.zeros((time.size, *self.k.shape))
        for chunk in np.unique(place[place >= 0]):
            at = np.flatnonzero(place == chunk)
            nodes, values = self._times[chunk], self._nodes[chunk]
            node = np.searchsorted(nodes, time[at] + ROUNDING_H, side="right") - 1
            M, N = self._steps(nodes[node], np.maximum(time[at], nodes[node]))
            found[at] = (M * values[node][:, None]).sum(axis=2) + N
        return found

    def _solve(self, chunk: int) -> None:
        """Integrate over a chunk from the end of the one before it."""
        mesh = self._mesh(chunk * CHUNK_H, (chunk + 1) * CHUNK_H)
        start, end = mesh[:-1], mesh[1:]
        M, N = self._steps(start, end)
        done: list[tuple[Array, Array, Array]] = []  # start, M, N of each step that is taken
        for halving in range(MOST_HALVINGS):
            middle = 0.5 * (start + end)
            halves = self._steps(np.append(start, middle), np.append(middle, end))
            first, second = zip(*(np.split(one, 2) for one in halves), strict=True)
            M12 = (second[0][:, :, :, None] * first[0][:, None]).sum(axis=2)
            N12 = (second[0] * first[1][:, None]).sum(axis=2) + second[1]
            differ = np.abs(M12 - M).max(axis=(1, 2, 3)) + np.abs(N12 - N).max(axis=(1, 2))
            last = halving == MOST_HALVINGS - 1
            good = np.full(len(start), True) if last else differ < TOLERANCE
            done += [(start[good], *(one[good] for one in first))]
            done += [(middle[good], *(one[good] for one in second))]
            if good.all():
                break
            again = ~good
            start, end = (
                np.append(start[again], middle[again]), np.append(middle[again], end[again])
            )  # fmt: skip
            M, N = (
                np.concatenate([a[again], b[again]]) for a, b in zip(first, second, strict=True)
            )
        starts, M, N = (np.concatenate(parts) for parts in zip(*done, strict=True))
        order = np.argsort(starts)
        now = self._nodes[-1][-1] if self._nodes else np.zeros(self.k.shape)
        nodes = [now]
        for place in order:
            now = (M[place] * now).sum(axis=1) + N[place]
            nodes.append(now)
        self._times.append(np.append(starts[order], mesh[-1]))
        self._nodes.append(np.array(nodes))

    def _mesh(self, start_h: float, end_h: float) -> Array:
        """Return times from which steps are taken: finer after each sudden change."""
        even = np.linspace(start_h, end_h, STEPS + 1)
        sudden = [agent.exposure.events_h(start_h, end_h) for agent in self.agents]
        events = np.unique(np.concatenate([[start_h], *sudden]))
        found = np.unique(np.concatenate([even, events, np.add.outer(events, SOON_H).ravel()]))
        found = found[(found >= start_h) & (found <= end_h)]
        near = np.diff(found) < 1e-6  # rounding of what is meant to be one time
        keep = np.append(True, ~near)
        keep[-1] = True
        return np.asarray(found[keep])

    def _steps(self, start: Array, end: Array) -> tuple[Array, Array]:
        """Return M (steps, slow, slow, rows) and N (steps, slow, rows) of these steps."""
        h, (m, rows) = end - start, self.k.shape
        stages = start[:, None] + h[:, None] * _C
        stages[:, -1] = end - np.minimum(BEFORE_H, 0.01 * h)  # before what happens there
        flat = stages.ravel()
        free = 1.0 / (1.0 + self._ratio(self.fast, flat).sum(axis=0))  # share left by fast drugs
        drive = self._ratio(self.slow, flat) * (self.k[:, :, None] * free)
        drive = drive.reshape(m, rows, len(h), STAGES).transpose(3, 0, 2, 1)
        M, N = np.empty((len(h), m, m, rows)), np.empty((len(h), m, rows))
        size = max(1, BLOCK // rows)
        for first in range(0, len(h), size):
            some = slice(first, first + size)
            M[some], N[some] = self._solved(h[some], np.ascontiguousarray(drive[:, :, some]))
        return M, N

    def _solved(self, h: Array, drive: Array) -> tuple[Array, Array]:
        """Return M and N of steps from the drive b (stages, slow, steps, rows).

        The stages of O' = b - J O are Y = O(start) + h A (b - J Y), and the last one is the end. So
        N = P b and M = 1 - P J with (1 + h A' J') P' = h A' of the last stage. Its leading minors
        are positive (Hairer & Wanner 1996, IV.14): elimination needs no pivots, and is done in all
        steps and rows at once.
        """
        m, size = len(self.slow), STAGES * len(self.slow)
        own = np.eye(m)[:, :, None, None]
        J = drive[:, :, None] + own * self.k[:, None, None]  # (stages, slow, slow, steps, rows)
        hA = (_A[:, :, None] * h)[..., None]  # (stages, stages, steps, 1)
        left = np.empty((size, size, *drive.shape[2:]))
        P = np.empty((size, m, *drive.shape[2:]))
        by_stage = left.reshape(STAGES, m, STAGES, m, *drive.shape[2:])
        for s in range(STAGES):
            for q in range(STAGES):
                np.multiply(hA[q, s], J[q].swapaxes(0, 1), out=by_stage[s, :, q])
            P[s * m : s * m + m] = own * hA[-1, s]
        left[range(size), range(size)] += 1.0
        for p in range(size):
            left[p, p + 1 :] /= left[p, p]
            P[p] /= left[p, p]
            left[p + 1 :, p + 1 :] -= left[p + 1 :, p, None] * left[p, p + 1 :]
            P[p + 1 :] -= left[p + 1 :, p, None] * P[p]
        for p in range(size - 1, 0, -1):
            P[:p] -= left[:p, p, None] * P[p]
        P = P.reshape(STAGES, m, m, *drive.shape[2:])  # stage, of drug, on drug
        N = (P * drive[:, :, None]).sum(axis=(0, 1))
        M = own - np.stack([(P * J[:, :, j, None]).sum(axis=(0, 1)) for j in range(m)], axis=1)
        return M.transpose(2, 0, 1, 3), N.transpose(1, 0, 2)


def _radau() -> tuple[Array, Array]:
    """Return nodes and matrix of Radau IIA (Hairer & Wanner 1996, Solving ODEs II, IV.5)."""
    legendre = np.polynomial.legendre
    # the zeros of P_s - P_(s-1) on [-1, 1], the last of which is 1
    coefficients = np.zeros(STAGES + 1)
    coefficients[STAGES], coefficients[STAGES - 1] = 1.0, -1.0
    zeros = legendre.legroots(coefficients).real  # NumPy 2.5 gives them as complex numbers
    c = (np.sort(zeros) + 1.0) / 2.0
    c[-1] = 1.0
    powers = np.arange(1, STAGES + 1)
    A = (c[:, None] ** powers / powers) @ np.linalg.inv(c[:, None] ** (powers - 1))
    return c, A


_C, _A = _radau()
