"""EpisodeBatch: several episodes as tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, eq=False)
class EpisodeBatch:
    """B episodes of N ways, K shots and q queries a class; Q = N * q.

    Attributes:
        support: `[B, N*K, C, H, W]` images: uint8 as the sampler draws them, float32 in [0, 1] as learners get them.
        support_labels: `[B, N*K]` int64 in 0..N-1.
        query: `[B, Q, C, H, W]` images, likewise.
        query_labels: `[B, Q]` int64 in 0..N-1; what `classify` must not look at.
        ways: N.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor
    ways: int

    def __len__(self) -> int:
        return len(self.support)

    def to_float(self) -> EpisodeBatch:
        """The same episodes with images as float32 in [0, 1]."""
        return replace(self, support=to_float(self.support), query=to_float(self.query))


def to_float(images: Tensor) -> Tensor:
    """uint8 images to what networks see: float32 in [0, 1], on the same device."""
    return images.float().div_(255)
