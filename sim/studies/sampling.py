"""Sampled designs: ranges, distributions and published spreads, and how points fill them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from sim import data
from sim.errors import InputError, Problem
from sim.scenario import keys
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DISTRIBUTIONS = {
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "lognormal": ("median", "cv"),
}
"""Distributions with the two numbers that each takes."""

CENTRAL = 0.99  # of a normal or log-normal distribution: no design asks for an infinite value
LEVELS = 4  # of a Morris design
STEP = LEVELS / (2 * (LEVELS - 1))  # of a Morris trajectory: 2/3 of the unit cube
INDICES = ("saltelli", "morris")
"""Methods whose points sensitivity indices are computed from."""
MOST_POINTS = 1_000_000
MOST = 1e300  # of any number in a range


@dataclass(frozen=True)
class Spread:
    """How one parameter is spread.

    Attributes
    ----------
    distribution : str
        One of `DISTRIBUTIONS`.
    numbers : tuple of two float
        What it takes.
    whole : bool
        Whether the values are whole numbers; the distribution is uniform then, ends included.
    """

    distribution: str
    numbers: tuple[float, float]
    whole: bool = False

    def at(self, share: float) -> float | int:
        """Return the value below which this share, from 0 to 1, of the distribution lies.

        Normal and log-normal distributions are cut to their central 99 %.
        """
        one, two = self.numbers
        if self.whole:
            return int(min(one + math.floor(share * (two - one + 1)), two))
        if self.distribution == "uniform":
            value = one + share * (two - one)
        elif self.distribution == "loguniform":
            value = one * (two / one) ** share
        else:
            z = NormalDist().inv_cdf((1 - CENTRAL) / 2 + share * CENTRAL)
            if self.distribution == "normal":
                value = one + two * z
            else:
                value = one * math.exp(math.sqrt(math.log1p(two * two)) * z)
        return float(f"{value:.10g}")  # the same on machines whose last digits differ

    def table(self) -> dict[str, Any]:
        """Return it as written in a study file."""
        numbers: tuple[Any, Any] = self.numbers
        if self.whole:
            numbers = int(numbers[0]), int(numbers[1])
        names = DISTRIBUTIONS[self.distribution]
        return {"distribution": self.distribution} | dict(zip(names, numbers, strict=True))


@dataclass(frozen=True)
class Sample:
    """A sampled design.

    Attributes
    ----------
    method : str
        ``"sobol"`` (a scrambled Sobol sequence), ``"lhs"`` (Latin hypercube), ``"saltelli"`` or
        ``"morris"`` (the layouts that Sobol' indices and elementary effects are computed from).
    n : int
        Points; of ``saltelli`` base points, of ``morris`` trajectories.
    seed : int
        Seed of the points.
    spreads : mapping of str to Spread
        By dotted key.
    given : list of list of float
        Points in the unit cube that were drawn before, or elsewhere; drawn if there are none.
    """

    method: str
    n: int
    seed: int
    spreads: Mapping[str, Spread]
    given: Sequence[Sequence[float]] = ()

    @property
    def problem(self) -> dict[str, Any]:
        """What SALib calls the problem: names and the unit cube."""
        names = list(self.spreads)
        return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}

    def shares(self) -> NDArray[np.float64]:
        """Return the points in the unit cube, (points, parameters)."""
        import numpy as np

        return np.array(self.given or METHODS[self.method](self), dtype=float)

    def points(self) -> list[dict[str, float | int]]:
        """Return the values of every point by key."""
        spreads = self.spreads.items()
        return [
            {key: spread.at(share) for (key, spread), share in zip(spreads, row, strict=True)}
            for row in self.shares().tolist()
        ]


@contextmanager
def _any_number() -> Iterator[None]:
    """Silence SciPy's warning about numbers that are not powers of 2: points are still even."""
    with catch_warnings():
        simplefilter("ignore", UserWarning)
        yield


def _sobol(sample: Sample) -> Any:
    from scipy.stats import qmc

    with _any_number():
        return qmc.Sobol(len(sample.spreads), seed=sample.seed).random(sample.n)


def _lhs(sample: Sample) -> Any:
    from scipy.stats import qmc

    return qmc.LatinHypercube(len(sample.spreads), seed=sample.seed).random(sample.n)


def _saltelli(sample: Sample) -> Any:
    from SALib.sample import sobol

    with _any_number():
        return sobol.sample(sample.problem, sample.n, calc_second_order=False, seed=sample.seed)


def _morris(sample: Sample) -> Any:
    from SALib.sample import morris

    return morris.sample(sample.problem, sample.n, num_levels=LEVELS, seed=sample.seed)


METHODS: Mapping[str, Callable[[Sample], Any]] = {
    "sobol": _sobol,
    "lhs": _lhs,
    "saltelli": _saltelli,
    "morris": _morris,
}


def read_sample(tree: Any, seed: int, base: Scenario | None, problems: list[Problem]) -> Sample:
    """Read ``[sample]`` of a study.

    Parameters
    ----------
    tree : dict
        ``method``, ``n``, perhaps ``seed``, and ``ranges``: by dotted key ``[low, high]``, a table
        with a ``distribution`` and its numbers, or ``"published"``, the spread of the data files;
        perhaps ``points``, a list of a share from 0 to 1 of each range for each point, in the
        layout of the method; they are drawn otherwise.
    seed : int
        Taken where the table has none.
    base : Scenario or None
        What published spreads are looked up for; None if it is wrong itself.
    problems : list of Problem
        Errors are added here.
    """
    known, before = ("method", "n", "seed", "ranges", "points"), len(problems)
    for key in tree:
        if key not in known:
            problems.append(Problem(f"sample.{key}", None, "unknown key", data.nearest(key, known)))
    method = tree.get("method", "sobol")
    if not isinstance(method, str) or method not in METHODS:
        hint = data.nearest(str(method), METHODS)
        problems.append(Problem("sample.method", method, data.one_of(METHODS), hint))
    numbers = {"n": (tree.get("n", 0), 1, MOST_POINTS), "seed": (tree.get("seed", seed), 0, 2**63)}
    for name, (value, least, most) in numbers.items():
        if type(value) is not int or not least <= value <= most:
            what = f"must be a whole number from {least} to {most}"
            problems.append(Problem(f"sample.{name}", value or None, what))
    ranges = tree.get("ranges")
    if not isinstance(ranges, dict) or not ranges:
        problems.append(
            Problem(
                "sample.ranges", ranges, "must be a table of what is sampled, by dotted key",
                'for instance "drug.free_nM" = [0.1, 100]',
            )
        )  # fmt: skip
        ranges = {}
    spreads = {key: read_spread(key, given, base, problems) for key, given in ranges.items()}
    given = tree.get("points", [])
    if not isinstance(given, list) or not all(_is_point(point, len(spreads)) for point in given):
        what = "must be a list of points, each a list of a number from 0 to 1 for each range"
        problems.append(Problem("sample.points", given, what))
    sample = Sample(method, numbers["n"][0], numbers["seed"][0], spreads, given)
    if given and len(problems) == before and (what := _what_is_wrong(sample)):
        hint = "delete `points` to draw new ones"
        problems.append(Problem("sample.points", None, what, hint))
    return sample


def _is_point(point: Any, size: int) -> bool:
    """Whether it is a point of a unit cube."""
    return (
        isinstance(point, list)
        and len(point) == size
        and all(type(share) in (int, float) and 0 <= share <= 1 for share in point)
    )


def _what_is_wrong(sample: Sample) -> str:
    """Return why the points given do not fit the design; empty if they do."""
    k, points = len(sample.spreads), sample.given
    size = {"saltelli": k + 2, "morris": k + 1}.get(sample.method, 1)
    if len(points) != sample.n * size:
        whose = f"n = {sample.n} of {sample.method!r}"
        return f"are {len(points)}; must be {sample.n * size}, as many as {whose} takes"
    blocks = (points[i : i + size] for i in range(0, len(points), size))
    if sample.method in INDICES and not all(map(LAYOUTS[sample.method], blocks)):
        return f"must have the layout of {sample.method!r}"
    return ""


def _is_block(points: Sequence[Sequence[float]]) -> bool:
    """Whether points are A, A with one value of B for each parameter in turn, and B."""
    first, *mixed, last = points
    return all(
        list(point) == [*first[:i], last[i], *first[i + 1 :]] for i, point in enumerate(mixed)
    )


def _is_trajectory(points: Sequence[Sequence[float]]) -> bool:
    """Whether each step moves one parameter, another each time, by `STEP`."""
    moved = []
    for here, there in pairwise(points):
        moves = [
            (i, abs(b - a)) for i, (a, b) in enumerate(zip(here, there, strict=True)) if a != b
        ]
        if len(moves) != 1 or not math.isclose(moves[0][1], STEP, abs_tol=1e-9):
            return False
        moved.append(moves[0][0])
    return len({*moved}) == len(moved)


LAYOUTS = {"saltelli": _is_block, "morris": _is_trajectory}


def check_method(method: str) -> None:
    """Refuse a method whose library is not installed.

    Raises
    ------
    InputError
        With what to install.
    """
    from importlib.util import find_spec

    if method in INDICES and find_spec("SALib") is None:
        raise InputError(
            f"sample.method = {method!r} needs SALib: pip install 'angiosim[analysis]'"
        )


def published(key: str, scenario: Scenario) -> Spread | None:
    """Return the published spread of a parameter: ``drug.ic50_nM.RECEPTOR`` or ``drug.pk.NAME``.

    An IC50 of 5.6 +- 1.2 nM is log-normal with the median 5.6 and the coefficient of variation
    1.2 / 5.6; so is a pharmacokinetic parameter unless a range was published.
    """
    drug = scenario.drug
    table, _, name = key.removeprefix("drug.").partition(".")
    if drug is None or not key.startswith("drug."):
        return None
    potency, kinetics = scenario.resolved.drug, scenario.resolved.pk
    if table == "ic50_nM" and potency is not None and name in potency.ic50_spread_nM:
        value = potency.ic50_nM[name]
        return Spread("lognormal", (value, potency.ic50_spread_nM[name] / value))
    if table == "pk" and kinetics is not None:
        parameter = kinetics.parameters.get(name)
        if parameter is not None and parameter.between is not None:
            return Spread("uniform", parameter.between)
        if parameter is not None and parameter.cv:
            return Spread("lognormal", (parameter.value, parameter.cv))
    return None


def read_spread(
    key: str,
    given: Any,
    base: Scenario | None,
    problems: list[Problem],
    table: str = "sample.ranges",
) -> Spread:
    """Read the spread of one parameter from `table`; see `read_sample`."""
    dummy = Spread("uniform", (0.0, 1.0))
    if given == "published":
        try:
            found = base and published(key, base)
        except InputError:
            found = None  # the drug is wrong; reported elsewhere
        if found is None and base is not None:
            what = "has no published spread; give a range or a distribution"
            problems.append(Problem(f"{table}, {key}", given, what))
        return found or dummy
    if isinstance(given, list):
        given = {"distribution": "uniform", **dict(zip(("low", "high"), given, strict=False))}
    kind = str(given.get("distribution")) if isinstance(given, dict) else ""
    names = DISTRIBUTIONS.get(kind, ())
    numbers = [given[name] for name in names if name in given]
    if (
        not names
        or {*given} != {"distribution", *names}
        or not all(type(n) in (int, float) and abs(n) < MOST for n in numbers)
    ):
        shapes = [f"{{distribution = {k!r}, {a}, {b}}}" for k, (a, b) in DISTRIBUTIONS.items()]
        what = "must be [low, high], 'published', or a table: " + ", ".join(shapes)
        problems.append(Problem(f"{table}, {key}", given, what))
        return dummy
    one, two = numbers
    if not {
        "uniform": one < two,
        "loguniform": 0 < one < two,
        "normal": two > 0,
        "lognormal": one > 0 and two > 0,
    }[kind]:
        what = {
            "uniform": "low must be below high",
            "loguniform": "low must be above 0 and below high",
            "normal": "sd must be above 0",
            "lognormal": "median and cv must be above 0",
        }[kind]
        problems.append(Problem(f"{table}, {key}", [one, two], what))
        return dummy
    whole = (keys.find(key.split(".")) or {}).get("type") == "integer"
    if whole and (kind != "uniform" or int(one) != one or int(two) != two):
        what = "takes whole numbers: give [low, high], both whole"
        problems.append(Problem(f"{table}, {key}", given, what))
        return dummy
    return Spread(kind, (one, two), whole)
