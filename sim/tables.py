"""The base of all tables of files, and the types of their values with units."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from sim.units import parse_quantity


def _in(unit: str) -> tuple[BeforeValidator, Any]:
    """Accept ``"12 mg"`` beside a bare number, and name the unit in the JSON Schema."""

    def convert(value: Any) -> Any:
        return parse_quantity(value, unit) if isinstance(value, str) else value

    return BeforeValidator(convert), Field(json_schema_extra={"unit": unit})


Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


Whole = Annotated[int, Strict()]


Switch = Annotated[bool, Strict()]


Text = Annotated[str, Strict(), Field(min_length=1)]


Micrometres = Annotated[Number, *_in("um")]


Hours = Annotated[Number, *_in("h")]


Minutes = Annotated[Number, *_in("min")]


Seconds = Annotated[Number, *_in("s")]


PerSecond = Annotated[Number, *_in("1/s")]


NgPerMl = Annotated[Number, *_in("ng/mL")]


NanoMolar = Annotated[Number, *_in("nM")]


SquareMicrometresPerSecond = Annotated[Number, *_in("um^2/s")]


Milligrams = Annotated[Number, *_in("mg")]


Kilograms = Annotated[Number, *_in("kg")]


Ordinal = Annotated[str, Field(pattern="^[1-9][0-9]{0,5}$")]


Pair = Annotated[tuple[Number, Number], Strict(False)]


class Table(BaseModel):
    """A strict, read-only table: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
