"""What decides how a picture is measured: sizes and thresholds, each with what it means."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sim.data import nearest
from sim.errors import Problem, ScenarioError
from sim.input import check_overrides


def _size(default: float, unit: str, words: str, least: float = 0, most: float = 10_000) -> Any:
    about = {"unit": unit, "words": words, "least": least, "most": most}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Settings:
    """Sizes and thresholds; ``table`` has what each means."""

    pixel_um: float = _size(2.0, "um", "pixels to which every picture is brought first", 0.1, 100)
    inverted: bool = field(
        default=False, metadata={"unit": "", "words": "cells are dark on a bright ground"}
    )
    flat_um: float = _size(50.0, "um", "phase: light that is wider is uneven light", 1)
    window_um: float = _size(2.7, "um", "phase: Gaussian window of the local deviation", 0.1)
    floor_um: float = _size(200.0, "um", "phase: window of the background's deviation", 1)
    triangle: float = _size(0.92, "", "phase: threshold / triangle threshold", 0, 100)
    ridge_phase: float = _size(0.25, "", "phase: least share of the strongest near by", 0, 1)
    ridge_spheroid: float = _size(0.30, "", "phase, spheroids: the same", 0, 1)
    swell_um: float = _size(
        3.1,
        "um",
        "phase: how far masks reach beyond cells; taken off gaps, areas and widths",
        0,
        100,
    )
    blur_um: float = _size(1.5, "um", "fluorescence: Gaussian against noise")
    background_um: float = _size(60.0, "um", "fluorescence: window of the background", 1)
    noise: float = _size(3.0, "", "fluorescence: threshold / noise of the background", 0, 1000)
    ridge_fluorescence: float = _size(
        0.24, "", "fluorescence: least share of the strongest near by", 0, 1
    )
    reach_um: float = _size(12.0, "um", "what is near by", 0, 100)
    closing_um: float = _size(6.0, "um", "disc that closes narrow gaps between cells", 0, 100)
    cell_um2: float = _size(
        400.0, "um^2", "a cell: smaller gaps are filled, parts of less than three left out", 1, 1e6
    )

    @classmethod
    def of(cls, changes: Mapping[str, Any] | None) -> Settings:
        """Return the settings with some changed.

        Raises
        ------
        ScenarioError
            With all that is wrong: names that there are not, values out of range.
        """
        check_overrides(changes)
        problems = []
        known = {one.name: one for one in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in (changes or {}).items():
            if (one := known.get(str(name))) is None:
                problems.append(Problem(str(name), None, "no such setting", nearest(name, known)))
            elif isinstance(one.default, bool):
                if not isinstance(value, bool):
                    problems.append(Problem(name, value, "must be true or false"))
                values[name] = value
            else:
                least, most = one.metadata["least"], one.metadata["most"]
                number = isinstance(value, numbers.Real) and not isinstance(value, bool)
                if not number or not least <= value <= most:  # nan is in no range
                    unit = f" {one.metadata['unit']}".rstrip()
                    allowed = f"must be a number from {least:g} to {most:g}{unit}"
                    problems.append(Problem(name, value, allowed))
                else:
                    values[name] = float(value)
        if problems:
            raise ScenarioError("settings", problems)
        return cls(**values)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each setting: name, value, default, unit, what it means."""
        values = asdict(self)
        return [
            {
                "setting": one.name,
                "value": values[one.name],
                "default": one.default,
                "unit": one.metadata["unit"],
                "meaning": one.metadata["words"],
            }
            for one in fields(self)
        ]
