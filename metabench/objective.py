"""The Objective protocol: what an encoder is pre-trained by, on texts without labels. See `metabench pretrain`.

An objective is a `torch.nn.Module` around a network for text, with a loss of a batch of texts and the values of a
validation. The harness owns the loop, the texts and the file. Those that ship are in the entry-point group
`metabench.pretraining`; `package.module:Class` needs no installation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from episodes.banks.vocabulary import TextShape
from episodes.plugins import load_plugin, plugin_names
from episodes.sampling.texts import TextBatch
from metabench.backbone import Layers
from metabench.errors import UsageError
from metabench.learner import Count, Positive, TrainingOptions, option

__all__ = ["Layers", "Objective", "PretrainingOptions", "TextBatch", "TextShape"]

GROUP = "metabench.pretraining"


@dataclass(frozen=True)
class PretrainingOptions(TrainingOptions):
    """The options that every objective has; an objective's own `Options` derive from them.

    The defaults are BERT's recipe (Devlin et al. 2019, appendix A.2) for a small network.
    """

    backbone: str = option("bert-small", "network for text, one of `metabench list backbones`")
    weights: str | None = option(None, "file of `metabench pretrain` to go on from")
    steps: Count = option(10_000, "training steps")
    optimizer: Literal["adam", "adamw", "sgd"] = option("adamw", "adamw, adam, or sgd with Nesterov momentum 0.9")
    learning_rate: Positive = option(5e-4, "the highest learning rate")
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(0.01, "decay of the weights")
    schedule: Literal["cosine", "linear", "constant", "halving"] = option(
        "linear", "learning rate: linear: up in the first tenth, then down to 0; or as of learners"
    )
    batch_size: Annotated[int, Field(ge=2)] = option(64, "texts per training step")
    clip: Positive = option(1.0, "the most that the norm of the gradients may be")


class Objective(nn.Module):
    """Base of all objectives.

    Class attributes:
        Options: a frozen dataclass deriving from `PretrainingOptions`, its fields made by `metabench.learner.option`.
    """

    Options: ClassVar[type[PretrainingOptions]] = PretrainingOptions

    def __init__(self, network: Layers, shape: TextShape, options: PretrainingOptions) -> None:
        """Add what training alone needs, such as a head. Random numbers come from torch's generator.

        Args:
            network: from token ids `[n, L]` to features `[n, D]`; its weights are what is kept.
            shape: of the texts, with their vocabulary.
            options: of this class's `Options`.
        """
        super().__init__()
        self.network = network

    def loss(self, batch: TextBatch) -> Tensor:
        """A scalar, of one step's texts; what it draws beside dropout follows from `batch.key`."""
        raise NotImplementedError(f"{type(self).__name__} needs loss()")

    def values(self, batches: Sequence[TextBatch]) -> dict[str, float]:
        """What validation on these texts gives, by name; the lower the first, the better the weights.

        Called without gradients and in evaluation mode; torch's generator begins each time from the same state.
        """
        raise NotImplementedError(f"{type(self).__name__} needs values()")


def objective_names() -> list[str]:
    """The registered names, sorted."""
    return plugin_names(GROUP)


def get_objective(name: str) -> type[Objective]:
    """The objective of a registered name, or of `package.module:Class`.

    Raises:
        UsageError: an unknown name, one registered twice, or a plug-in that cannot be imported or is no Objective.
    """
    found, what = load_plugin(GROUP, "objective", name, UsageError)
    if not (isinstance(found, type) and issubclass(found, Objective)) or found is Objective:
        raise UsageError(f"{what} is {found!r:.100}, which is not a subclass of metabench.objective.Objective")
    options = found.Options
    if not (isinstance(options, type) and issubclass(options, PretrainingOptions) and is_dataclass(options)):
        raise UsageError(f"{what}: its Options must be a dataclass that derives from PretrainingOptions")
    return found
