"""Functions in place of classes and images: few-shot regression."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import ClassVar

from episodes.banks.bank import Kind

AMPLITUDES, PHASES, INPUTS = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)


@dataclass(frozen=True)
class Sinusoids:
    """A split of the functions y = A sin(x - p): A, p and x are uniform in `AMPLITUDES`, `PHASES` and `INPUTS`.

    All splits have this distribution. Their functions differ, since their draws depend on the name.

    Attributes:
        name: e.g. `sinusoid/test`.
    """

    kind: ClassVar[Kind] = "functions"
    item_shape: ClassVar[tuple[int, ...]] = (1,)  # of an input
    classes: ClassVar[int] = 0
    class_names: ClassVar[tuple[str, ...]] = ()
    class_sizes: ClassVar[tuple[int, ...]] = ()
    groups: ClassVar[tuple[str, ...]] = ()

    name: str

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over the distribution and the name."""
        return hashlib.sha256(repr((self.name, AMPLITUDES, PHASES, INPUTS)).encode()).hexdigest()[:32]
