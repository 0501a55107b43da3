"""Days off in the time series of a schedule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from sim.scenario.resolve import load
from sim.view.run import frame

BED = {"assay": "tumour_bed", "drug": {"name": "anlotinib", "exposure": "pk", "species": "human"}}


@pytest.mark.parametrize(
    ("regimen", "ends_h", "wanted"),
    [
        ({"on_days": 14, "off_days": 7, "cycles": 2}, (-840, 2016), [(336, 504), (840, 1008)]),
        ({"on_days": 14, "off_days": 7, "cycles": 4}, (-840, 400), [(336, 400)]),
        ({"on_days": 14, "off_days": 7, "cycles": "steady"}, (0, 600), [(336, 504)]),
        (
            {"on_days": 2, "off_days": 1, "cycles": 2, "first_h": 24},
            (0, 200),
            [(72, 96), (144, 168)],
        ),
        ({"on_days": 21, "off_days": 0, "cycles": 4}, (0, 2016), []),
    ],
)  # fmt: skip
def test_days_off_are_where_the_regimen_has_them(
    regimen: dict[str, Any], ends_h: tuple[float, float], wanted: list[tuple[float, float]]
) -> None:
    drug = BED["drug"] | {"regimen": {"dose_mg": 12, **regimen}}  # type: ignore[operator]
    times = pd.DataFrame({"time_h": ends_h})
    seen: Any = SimpleNamespace(scenario=load(BED | {"drug": drug}), timeseries=times)
    assert frame.pauses(seen) == wanted
