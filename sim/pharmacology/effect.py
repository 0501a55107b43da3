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
from dataclasses import dataclass, field
from math import ceil, floor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.pharmacology.drugs import Potency, inhibition
from sim.pharmacology.exposure import ROUNDING_H, Exposure

Array = NDArray[np.float64]

CHUNK_H = 24.0  # solved at once; its nodes do not depend on when anything is asked
STEPS = 12  # of a chunk, at first
FINEST_H = 2.0**-10  # first step after a sudden change
TOLERANCE = 1e-10  # of an occupancy, between a chunk's nodes and those of half the steps
MOST_HALVINGS = 8
MEMORY = 30.0  # residence times after which nothing is left of what was before
STAGES = 5
BEFORE_H = 2e-9  # the last stage of a step is before what happens at its end


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

    def ratio(self, receptor: str, time_h: ArrayLike) -> Array:
        """Return x of a receptor: (unbound drug / IC50)^h; 0 for one that it does not bind."""
        free_nM = np.asarray(self.exposure.free_nM(np.asarray(time_h, dtype=np.float64)))
        if receptor not in self.potency.ic50_nM:
            return np.zeros_like(free_nM)
        ic50 = np.asarray(self.potency.ic50_nM[receptor])
        ic50 = ic50.reshape(ic50.shape + (1,) * (free_nM.ndim - ic50.ndim))
        return np.asarray((free_nM / ic50) ** self.potency.hill[receptor])


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
        self._slow = {
            receptor: _Occupancy(self.agents, receptor)
            for receptor in self.receptors
            if any(receptor in agent.residence_h for agent in agents)
        }
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
        return {
            receptor: self._slow[receptor].inhibition(time)
            if receptor in self._slow
            else self._at_once(receptor, time)
            for receptor in self.receptors
        }

    def _at_once(self, receptor: str, time: Array) -> Array:
        x = sum(agent.ratio(receptor, time) for agent in self.agents)
        with np.errstate(divide="ignore"):  # no drug
            return np.asarray(1.0 / (1.0 + 1.0 / x))


class _Occupancy:
    """Occupancy of a receptor by the drugs that leave it slowly, node by node.

    Radau IIA with five stages (order 9, L-stable), with steps that are halved until the nodes of a
    chunk agree. All is a function of the schedule, and nothing depends on what was asked before.
    """

    def __init__(self, agents: Sequence[Agent], receptor: str) -> None:
        self.receptor = receptor
        self.slow = [agent for agent in agents if receptor in agent.residence_h]
        self.fast = [agent for agent in agents if receptor not in agent.residence_h]
        self.k = np.array([1.0 / agent.residence_h[receptor] for agent in self.slow])
        self.agents = agents
        free_nM = (np.asarray(agent.exposure.free_nM(np.zeros(1))) for agent in agents)
        self.single = all(found.ndim == 1 for found in free_nM)
        steady = any(getattr(agent.exposure, "cycle_h", None) is not None for agent in agents)
        self.first = -ceil(MEMORY / float(self.k.min()) / CHUNK_H) if steady else 0
        self._times: list[Array] = []
        self._nodes: list[Array] = []  # (times, subjects, slow drugs)

    def inhibition(self, time: Array) -> Array:
        flat = time.ravel()
        x_fast = sum((agent.ratio(self.receptor, flat) for agent in self.fast), np.zeros(1))
        held = self._at(flat).sum(axis=-1)  # (times, subjects)
        held = held[:, 0] if self.single else held.T
        found = 1.0 - (1.0 - held) / (1.0 + x_fast)
        return np.asarray(found.reshape(found.shape[:-1] + time.shape))

    def _at(self, time: Array) -> Array:
        """Return the occupancies (times, subjects, slow drugs); 0 before the beginning."""
        last = floor((float(time.max()) + ROUNDING_H) / CHUNK_H) if time.size else self.first
        while self.first + len(self._times) <= last:
            self._solve(self.first + len(self._times))
        place = np.floor((time + ROUNDING_H) / CHUNK_H).astype(int) - self.first
        subjects = self._nodes[0].shape[1] if self._nodes else 1
        found = np.zeros((time.size, subjects, len(self.slow)))
        for chunk in np.unique(place[place >= 0]):
            at = np.flatnonzero(place == chunk)
            nodes, values = self._times[chunk], self._nodes[chunk]
            node = np.searchsorted(nodes, time[at] + ROUNDING_H, side="right") - 1
            M, N = self._steps(nodes[node], np.maximum(time[at], nodes[node]))
            found[at] = np.einsum("tsij,tsj->tsi", M, values[node]) + N
        return found

    def _solve(self, chunk: int) -> None:
        """Integrate over a chunk from the end of the one before it."""
        start_h, end_h = chunk * CHUNK_H, (chunk + 1) * CHUNK_H
        times = self._mesh(start_h, end_h)
        values = self._march(times)
        for _ in range(MOST_HALVINGS):
            finer = np.sort(np.concatenate([times, 0.5 * (times[1:] + times[:-1])]))
            found = self._march(finer)
            agree = np.abs(found[::2] - values).max() < TOLERANCE
            times, values = finer, found
            if agree:
                break
        self._times.append(times)
        self._nodes.append(values)

    def _mesh(self, start_h: float, end_h: float) -> Array:
        """Return times from which steps are taken: finer after each sudden change."""
        even = np.linspace(start_h, end_h, STEPS + 1)
        sudden = [agent.exposure.events_h(start_h, end_h) for agent in self.agents]
        events = np.unique(np.concatenate([[start_h], *sudden]))
        soon = np.add.outer(events, FINEST_H * 2.0 ** np.arange(12)).ravel()
        found = np.unique(np.concatenate([even, events, soon]))
        found = found[(found >= start_h) & (found <= end_h)]
        near = np.diff(found) < 1e-6  # rounding of what is meant to be one time
        keep = np.append(True, ~near)
        keep[-1] = True
        return np.asarray(found[keep])

    def _march(self, times: Array) -> Array:
        """Return the occupancies at these times, from the end of the chunk before on."""
        M, N = self._steps(times[:-1], times[1:])
        subjects = M.shape[1]
        now = self._nodes[-1][-1] if self._nodes else np.zeros((subjects, len(self.slow)))
        found = np.empty((len(times), *now.shape))
        found[0] = now
        for place in range(len(times) - 1):
            now = np.einsum("sij,sj->si", M[place], now) + N[place]
            found[place + 1] = now
        return found

    def _steps(self, start: Array, end: Array) -> tuple[Array, Array]:
        """Return M (steps, subjects, slow, slow) and N of O(end) = M O(start) + N."""
        h = end - start
        stages = start[:, None] + h[:, None] * _C
        stages[:, -1] = end - np.minimum(BEFORE_H, 0.01 * h)
        flat = stages.ravel()
        x = [self._of_subjects(agent, flat) for agent in self.slow]
        rest = sum((self._of_subjects(agent, flat) for agent in self.fast), np.zeros((1, 1)))
        n, m, subjects = len(start), len(self.slow), max(part.shape[0] for part in (*x, rest))
        r = (1.0 / (1.0 + rest)) * np.ones((subjects, flat.size))
        drive = np.stack([k * one * r for k, one in zip(self.k, x, strict=True)], axis=-1)
        drive = drive.reshape(subjects, n, STAGES, m).transpose(1, 0, 2, 3)  # k x r, = b
        J = -(drive[..., None] * np.ones(m) + np.diag(self.k))  # (n, subjects, stages, m, m)
        # Y = 1 y0 + h A (J Y + b), and y1 is the last stage
        hA = h[:, None, None, None] * _A  # (n, 1, stages, stages)
        size = STAGES * m
        whole = np.einsum(
            "nsab,nsbij->nsaibj", np.broadcast_to(hA, (n, subjects, STAGES, STAGES)), J
        )
        left = np.eye(size) - whole.reshape(n, subjects, size, size)
        ones = np.tile(np.eye(m), (STAGES, 1))  # (size, m)
        source = np.einsum("nsab,nsbi->nsai", hA, drive)
        right = np.concatenate(
            [np.broadcast_to(ones, (n, subjects, size, m)), source.reshape(n, subjects, size, 1)],
            axis=-1,
        )
        last = np.linalg.solve(left, right)[:, :, -m:, :]
        return last[..., :m], last[..., m]

    def _of_subjects(self, agent: Agent, time: Array) -> Array:
        x = agent.ratio(self.receptor, time)
        return x if x.ndim == 2 else x[None, :]


def _radau() -> tuple[Array, Array]:
    """Return nodes and matrix of Radau IIA (Hairer & Wanner 1996, Solving ODEs II, IV.5)."""
    legendre = np.polynomial.legendre
    # the zeros of P_s - P_(s-1) on [-1, 1], the last of which is 1
    coefficients = np.zeros(STAGES + 1)
    coefficients[STAGES], coefficients[STAGES - 1] = 1.0, -1.0
    c = (np.sort(legendre.legroots(coefficients)) + 1.0) / 2.0
    c[-1] = 1.0
    powers = np.arange(1, STAGES + 1)
    A = (c[:, None] ** powers / powers) @ np.linalg.inv(c[:, None] ** (powers - 1))
    return c, A


_C, _A = _radau()
