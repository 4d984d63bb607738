"""The Objective protocol: what a network is pre-trained by, on texts or on pictures. See `metabench pretrain`.

An objective is a `torch.nn.Module` around a network, with a loss of a batch and the values of a validation. Its base
says what it takes: `Objective` texts, `PictureObjective` pictures. The harness owns the loop, the data and the file.
Those that ship are in the entry-point group `metabench.pretraining`; `package.module:Class` needs no installation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from episodes.banks.bank import Kind
from episodes.banks.vocabulary import TextShape
from episodes.plugins import load_plugin, plugin_names
from episodes.sampling.batches import LabelledBatch
from episodes.sampling.texts import TextBatch
from metabench.backbone import Layers, Shape
from metabench.errors import UsageError
from metabench.learner import Count, Positive, TrainingOptions, option

__all__ = [
    "LabelledBatch",
    "Layers",
    "Objective",
    "PictureObjective",
    "PictureOptions",
    "PretrainingOptions",
    "Shape",
    "TextBatch",
    "TextShape",
]

GROUP = "metabench.pretraining"


@dataclass(frozen=True)
class PretrainingOptions(TrainingOptions):
    """The options that every objective has; those of an objective of texts derive from them.

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


@dataclass(frozen=True)
class PictureOptions(PretrainingOptions):
    """The same of objectives of pictures, for a small network."""

    backbone: str = option("conv4", "network for pictures, one of `metabench list backbones`")
    steps: Count = option(2000, "training steps")
    learning_rate: Positive = option(1e-3, "the highest learning rate")
    batch_size: Annotated[int, Field(ge=2)] = option(128, "pictures per training step")


class Objective(nn.Module):
    """Base of all objectives, and of those of texts without labels.

    Class attributes:
        kind: of the items that it takes; its base says which.
        Options: a frozen dataclass deriving from `PretrainingOptions`, its fields made by `metabench.learner.option`.
    """

    kind: ClassVar[Kind] = "text"
    Options: ClassVar[type[PretrainingOptions]] = PretrainingOptions

    def __init__(self, network: Layers, shape: Shape, options: PretrainingOptions) -> None:
        """Add what training alone needs, such as a head. Random numbers come from torch's generator.

        Args:
            network: from token ids `[n, L]` to features `[n, D]`; its weights are what is kept.
            shape: of the texts, a `TextShape` with their vocabulary.
            options: of this class's `Options`.
        """
        super().__init__()
        self.network = network

    def loss(self, batch: Any) -> Tensor:
        """A scalar, of one step's `TextBatch`; what it draws beside dropout follows from `batch.key`."""
        raise NotImplementedError(f"{type(self).__name__} needs loss()")

    def values(self, batches: Iterable[Any]) -> dict[str, float]:
        """What validation on these `TextBatch`es gives, by name; the lower the first, the better the weights.

        Called without gradients and in evaluation mode; torch's generator begins each time from the same state.
        """
        raise NotImplementedError(f"{type(self).__name__} needs values()")


class PictureObjective(Objective):
    """Base of the objectives of pictures.

    Validation is the same for all of them: on the pictures of the validation classes, how often the nearest neighbour
    of a picture is of another class (see `metabench.pretraining.validation`). The labels of these classes choose the
    best step, and nothing else. An objective may add values of its own.

    Class attributes:
        Options: a frozen dataclass deriving from `PictureOptions`.
    """

    kind = "images"
    Options: ClassVar[type[PretrainingOptions]] = PictureOptions

    def __init__(self, network: Layers, shape: Shape, options: PretrainingOptions, classes: int) -> None:
        """Add what training alone needs, such as a head. Random numbers come from torch's generator.

        Args:
            network: from images `[n, C, H, W]` in [0, 1] to features `[n, D]`; its weights are what is kept.
            shape: (C, H, W) of the pictures.
            options: of this class's `Options`.
            classes: how many training classes there are.
        """
        super().__init__(network, shape, options)

    def loss(self, batch: LabelledBatch) -> Tensor:
        """A scalar, of one step's pictures; what it draws comes from torch's generator, which a checkpoint keeps."""
        raise NotImplementedError(f"{type(self).__name__} needs loss()")

    def values(self, batches: Iterable[LabelledBatch]) -> dict[str, float]:
        """What else validation on these pictures gives, by name; called as that of texts."""
        return {}


def objective_names() -> list[str]:
    """The registered names, sorted."""
    return plugin_names(GROUP)


def get_objective(name: str) -> type[Objective]:
    """The objective of a registered name, or of `package.module:Class`.

    Raises:
        UsageError: an unknown name, one registered twice, or a plug-in that cannot be imported or is no Objective.
    """
    found, what = load_plugin(GROUP, "objective", name, UsageError)
    if not (isinstance(found, type) and issubclass(found, Objective)) or found in (Objective, PictureObjective):
        raise UsageError(f"{what} is {found!r:.100}, which is not a subclass of metabench.objective.Objective")
    options = found.Options
    base = PictureOptions if issubclass(found, PictureObjective) else PretrainingOptions
    if not (isinstance(options, type) and issubclass(options, base) and is_dataclass(options)):
        raise UsageError(f"{what}: its Options must be a dataclass that derives from {base.__name__}")
    return found
