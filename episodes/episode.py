"""EpisodeBatch and EpisodeIndices: several episodes as tensors, and as the numbers of their items."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class EpisodeIndices:
    """Which images B episodes of N ways draw, S for support, Q to be classified, U without label.

    Attributes:
        classes: `[B, N]` int64, numbers of classes in the bank; label n of an episode means its nth class.
        support: `[B, S]` int64, numbers of images in the bank, class by class.
        support_labels: `[B, S]` int64 in 0..N-1; they may be wrong where the task has label noise.
        query: `[B, Q]` int64, none of them in `support`, in random order as samplers give them.
        query_labels: `[B, Q]` int64 in 0..N-1.
        unlabelled: `[B, U]` int64, in neither of the two; of the N classes and of any distractors.
    """

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    support_labels: NDArray[np.int64]
    query: NDArray[np.int64]
    query_labels: NDArray[np.int64]
    unlabelled: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class EpisodeBatch:
    """B episodes of N ways as a learner is asked about them: S labelled images and Q queries, without their labels.

    A fixed task has S = N * K and Q = N * q, though maybe not q of each class, and none of some. Queries are in
    random order.

    Attributes:
        support: `[B, S, C, H, W]` images: uint8 as the sampler draws them, float32 in [0, 1] as learners get them. Of
            text `[B, S, L]` int32 token ids, each plus 1, 0 where a text has ended; L is alike in all parts. In
            regression (see `episodes.datasets.functions.sinusoid`) `[B, S, 1]` float32 inputs. Of sentences ids as of
            text, where each id above 0 begins a word, which is an item of its own, and what is below 0 is none (see
            `item_counts`): S rows have more than S items, and B is 1.
        support_labels: `[B, S]` int64 in 0..N-1, of every item; in regression the outputs, float32.
        query: `[B, Q, C, H, W]`, likewise.
        ways: N; 1 in regression.
        unlabelled: `[B, U, C, H, W]` images without labels, for semi-supervised tasks; None where there are none.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    ways: int
    unlabelled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.support)

    def to_float(self) -> Self:
        """The same episodes with images as float32 in [0, 1]."""
        unlabelled = None if self.unlabelled is None else to_float(self.unlabelled)
        return replace(self, support=to_float(self.support), query=to_float(self.query), unlabelled=unlabelled)


@dataclass(frozen=True, eq=False)
class LabelledEpisodeBatch(EpisodeBatch):
    """The same with the queries' labels: what samplers draw, training losses get, and predictions are scored by.

    Attributes:
        query_labels: `[B, Q]` int64 in 0..N-1; in regression the outputs, float32.
    """

    query_labels: Tensor = field(kw_only=True)

    def without_query_labels(self) -> EpisodeBatch:
        """What a learner is asked."""
        return EpisodeBatch(self.support, self.support_labels, self.query, self.ways, self.unlabelled)


def item_counts(inputs: Tensor) -> list[int]:
    """How many items each row of inputs `[n, ...]` has.

    It is 1, but in token ids of which some are below 0 the number of those above 0 (see `episodes.banks.spans`).
    """
    if marks_words(inputs):
        return [int(count) for count in (inputs > 0).sum(-1)]
    return [1] * len(inputs)


def marks_words(inputs: Tensor) -> bool:
    """Whether inputs are token ids that say by their signs where words begin."""
    return not inputs.is_floating_point() and bool((inputs < 0).any())


def to_float(images: Tensor) -> Tensor:
    """uint8 images as networks take them: float32 in [0, 1], on the same device; other inputs stay as they are."""
    import torch  # which takes seconds, and reading records needs none of it

    return images.float().div_(255) if images.dtype == torch.uint8 else images
