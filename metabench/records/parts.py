"""What all parts of a record have in common, and the bounds on their numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a record: it never changes, and has no field that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# Bounds on the values in a file, so that any table can hold and average them.
Count = Annotated[int, Field(ge=0, lt=2**53)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
MOST_ERROR = 1e100  # its square is still a number
