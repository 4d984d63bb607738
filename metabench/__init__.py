"""metabench: the few-shot and transfer-learning benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metabench.experiment import run
    from metabench.learner import EmbeddingLearner, Learner, TrainingOptions, option

__all__ = ["EmbeddingLearner", "Learner", "TrainingOptions", "option", "run"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, and `metabench --help` needs none of it.
    if name not in __all__:
        raise AttributeError(f"module 'metabench' has no attribute '{name}'")
    import importlib

    module = "metabench.experiment" if name == "run" else "metabench.learner"
    return getattr(importlib.import_module(module), name)
