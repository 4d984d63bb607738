"""Settings to try, one after another, each proposed from what earlier ones gave: the TPE sampler of Optuna.

Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011), section 4: the first 10 are random.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from episodes.extras import need
from metabench.records.selection import Range


class Proposals:
    """Settings of a space. The same seed and the same results lead to the same ones.

    Args:
        space: of each option a range, or the values of a list. The order of the names does not matter.
        seed: below 2^31.
        more_is_better: which way results are.

    Raises:
        episodes.DataError: Optuna is not installed.
    """

    def __init__(self, space: Mapping[str, Range | tuple[Any, ...]], seed: int, more_is_better: bool) -> None:
        self.optuna = need("optuna", "optuna", "a range of an option")
        self.worst = -math.inf if more_is_better else math.inf
        samplers = self.optuna.samplers
        self.tpe, self.random = samplers.TPESampler(seed=seed), samplers.RandomSampler(seed=seed + 1)
        self.space = {name: self._distribution(space[name]) for name in sorted(space)}
        with self._quiet():
            self.study = self.optuna.create_study(
                direction="maximize" if more_is_better else "minimize", sampler=self.tpe
            )
        self.open: Any = None

    def _distribution(self, axis: Range | tuple[Any, ...]) -> Any:
        known = self.optuna.distributions
        if not isinstance(axis, Range):
            return known.CategoricalDistribution(axis)
        kind = known.IntDistribution if axis.whole else known.FloatDistribution
        return kind(axis.low, axis.high, log=axis.log)

    def ask(self, *, random: bool = False) -> dict[str, Any]:
        """The next setting, from what was told; or one that is drawn without regard to it."""
        self.study.sampler = self.random if random else self.tpe
        with self._quiet():
            self.open = self.study.ask(self.space)
        return dict(self.open.params)

    def tell(self, mean: float | None) -> None:
        """What the setting gave that was asked for last; None, which is the worst, for values that are not finite."""
        with self._quiet():
            self.study.tell(self.open, self.worst if mean is None else mean)

    def skip(self) -> None:
        """The setting that was asked for last is not tried: nothing follows from it."""
        with self._quiet():
            self.study.tell(self.open, state=self.optuna.trial.TrialState.FAIL)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Within it Optuna says nothing. How much it says otherwise is left as it was found."""
        logs = self.optuna.logging
        found = logs.get_verbosity()
        logs.set_verbosity(logs.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logs.set_verbosity(found)
