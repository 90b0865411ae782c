"""The base of every section of a run file, and the types that several sections use."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _require_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the first number must not be above the second, not {list(pair)}")
    return pair


def _require_positive(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0:
        raise ValueError(f"both must be above 0, not {pair[0]:g}")
    return pair


def _require_share(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] < 0 or pair[1] > 1:
        raise ValueError(f"both must be from 0 to 1, not {list(pair)}")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_require_order)]
PositiveRange = Annotated[Range, AfterValidator(_require_positive)]
ShareRange = Annotated[Range, AfterValidator(_require_share)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """A section of the run file: immutable, and no field beyond those listed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
