"""DINO: self-distillation without labels (Caron, Touvron, Misra, Jégou, Mairal, Bojanowski, Joulin 2021)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.objectives._views import ViewOptions, crops, flips, recoloured
from metabench.errors import UsageError
from metabench.learner import Count, Positive, option
from metabench.objective import LabelledBatch, Layers, PictureObjective, Shape

LOCAL_AREA = 0.05  # the least share of a picture that a local crop shows; the most is the least of a global one
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Head(nn.Module):
    """Three layers, then cosines with each of `prototypes` directions (Caron et al. 2021, appendix C)."""

    def __init__(self, features: int, hidden: int, prototypes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden // 2),
        )
        self.directions = nn.Linear(hidden // 2, prototypes, bias=False)  # short ones, which small steps can turn

    def forward(self, features: Tensor) -> Tensor:
        """Cosines `[n, prototypes]` of features `[n, D]`."""
        return F.linear(F.normalize(self.layers(features), dim=1), F.normalize(self.directions.weight, dim=1))


def dino_loss(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    centre: Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross-entropy of the teacher's view of a picture and the student's of another (Caron et al. 2021, equation 3).

    Args:
        student: outputs `[n, K]` of each view, the teacher's views first.
        teacher: outputs `[n, K]` of each global view.
        centre: `[K]`, which is taken from the teacher's outputs.
        student_temperature, teacher_temperature: the lower one sharpens the teacher's.
    """
    wanted = [torch.softmax((each - centre) / teacher_temperature, dim=1) for each in teacher]
    found = [F.log_softmax(each / student_temperature, dim=1) for each in student]
    pairs = [(t, s) for t in range(len(wanted)) for s in range(len(found)) if s != t]
    return torch.stack([-(wanted[t] * found[s]).sum(1).mean() for t, s in pairs]).mean()


class DINO(PictureObjective):
    """A student is to give for one view of a picture what a teacher, the mean of earlier students, gives for another.

    Caron et al. 2021, section 3 and algorithm 1: the teacher sees two global views alone, its outputs are centred and
    sharpened so that they do not collapse, and its weights, a moving mean of the student's, are what is kept. No label
    is read. Local views, of half the height and width, are there where the network takes pictures of that size.

    Differs from the paper: a small head, a constant temperature of the teacher, the loss is the mean over pairs of
    views, as in the authors' code, no blur and no solarisation. The teacher takes in the student's last step when the
    next one begins, so that the one that is kept is a step behind.
    """

    @dataclass(frozen=True)
    class Options(ViewOptions):
        least_area: Annotated[float, Field(gt=LOCAL_AREA, le=1)] = option(
            0.4, "the least share of a picture that a global view shows"
        )
        local_views: Annotated[int, Field(ge=0)] | None = option(
            None, "views of half the height and width; none: 4, or 0 where the network does not take them"
        )
        prototypes: Count = option(1024, "outputs of the head")
        hidden: Annotated[int, Field(ge=2)] = option(256, "units of the head's hidden layers")
        momentum: Momentum = option(0.99, "of the teacher's weights at the start; it rises to 1 by a cosine")
        centre_momentum: Momentum = option(0.9, "of the centre of the teacher's outputs")
        student_temperature: Positive = option(0.1, "by which the student's outputs are divided")
        teacher_temperature: Positive = option(0.04, "by which the teacher's outputs are divided")

    centre: Tensor
    done: Tensor

    def __init__(self, network: Layers, shape: Shape, options: Options, classes: int) -> None:
        super().__init__(network, shape, options, classes)
        self.options, self.flip = options, flips(options, shape)
        self.small = (shape[1] // 2, shape[2] // 2)
        self.local_views = self._local_views(network, shape)
        self.head = Head(feature_size(network, shape), options.hidden, options.prototypes)
        self.student = copy.deepcopy(nn.Sequential(network, self.head))
        self.network.requires_grad_(False)
        self.head.requires_grad_(False)
        self.register_buffer("centre", torch.zeros(options.prototypes))
        self.register_buffer("done", torch.zeros(()))  # steps

    def _local_views(self, network: Layers, shape: Shape) -> int:
        asked = self.options.local_views
        fits = _takes(network, (shape[0], *self.small), feature_size(network, shape))
        if asked and not fits:
            raise UsageError(
                f"--set local_views={asked} needs a network that takes pictures of {self.small[0]} x {self.small[1]} "
                f"too, and backbone '{self.options.backbone}' does not here; leave it out, or choose one such as vit"
            )
        return (4 if fits else 0) if asked is None else asked

    def loss(self, batch: LabelledBatch) -> Tensor:
        self._follow()
        loss, outputs = self._compared(batch.images)
        with torch.no_grad():
            self.centre.lerp_(outputs.mean(0), 1 - self.options.centre_momentum)  # equation 4
            self.done += 1
        return loss

    def values(self, batches: Iterable[LabelledBatch]) -> dict[str, float]:
        losses = [float(self._compared(batch.images)[0]) for batch in batches]
        return {"distillation_loss": sum(losses) / len(losses)}

    def _compared(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The loss on views of pictures, and the teacher's outputs for the global ones, `[2n, K]`."""
        options = self.options
        with torch.no_grad():
            whole = torch.cat([self._view(images, (options.least_area, 1.0)) for _ in range(2)])
            parts = [self._view(images, (LOCAL_AREA, options.least_area), self.small) for _ in range(self.local_views)]
            outputs = self.head(self.network(whole)).float()
        student = [*self.student(whole).float().chunk(2)]
        if parts:
            student += self.student(torch.cat(parts)).float().chunk(len(parts))
        temperatures = options.student_temperature, options.teacher_temperature
        return dino_loss(student, outputs.chunk(2), self.centre, *temperatures), outputs

    def _view(self, images: Tensor, areas: tuple[float, float], size: tuple[int, int] | None = None) -> Tensor:
        return recoloured(crops(images, areas, self.flip, size), self.options.colour)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the teacher's weights towards the student's (section 3.1, "Teacher network")."""
        momentum = rising(self.options.momentum, float(self.done) / self.options.steps)
        teacher = [*self.network.parameters(), *self.head.parameters()]
        for own, other in zip(teacher, self.student.parameters(), strict=True):
            own.lerp_(other, 1 - momentum)


def rising(start: float, share: float) -> float:
    """From `start` to 1 by a cosine, where so large a share of the steps is done."""
    return 1 - (1 - start) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _takes(network: Layers, shape: Shape, features: int) -> bool:
    """Whether a network gives as many features for pictures of that shape."""
    try:
        return feature_size(network, shape) == features
    except (RuntimeError, ValueError):  # of layers that the pictures are too small for
        return False
