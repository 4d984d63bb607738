"""Relational knowledge distillation (Park, Kim, Lu, Cho 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.distillation._teacher import PRESETS, Taught, TeacherOptions
from metabench.errors import UsageError
from metabench.learner import Kind, Paper, Problem, Source, option

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Relational(Taught):
    """A student whose features lie to each other as its teacher's do, in distances and in angles.

    Park et al. 2019: beside the cross-entropy with the labels, the student learns that pairs of items are as far apart
    for it as for the teacher, each in units of its own mean distance (section 3.2.1), and that triples span the same
    angles (section 3.2.2), both under Huber's loss. What is compared are the features before the head, so that student
    and teacher may have different numbers of them. The weights are those of the paper's experiments on image
    classification. With `labels=false` the relations are all that the student learns from.

    Differs from the paper: losses are means over distinct pairs and triples, not sums.
    """

    @dataclass(frozen=True)
    class Options(TeacherOptions):
        distance_weight: Weight = option(25.0, "weight of the distance-wise loss (RKD-D); 0 leaves it out")
        angle_weight: Weight = option(50.0, "weight of the angle-wise loss (RKD-A); 0 leaves it out")

    source: ClassVar = Source(
        "distillation",
        (
            Paper(
                "Park, Wonpyo and Kim, Dongju and Lu, Yan and Cho, Minsu",
                "Relational Knowledge Distillation",
                2019,
                "https://arxiv.org/abs/1904.05068",
                "CVPR",
            ),
        ),
    )
    presets: ClassVar = PRESETS
    # A batch of sentences has hundreds of words, and their triples take gigabytes.
    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    def __init__(self, problem: Problem, options: Options) -> None:
        if not (options.distance_weight or options.angle_weight):
            raise UsageError("distance_weight and angle_weight are both 0: the teacher would teach nothing; raise one")
        super().__init__(problem, options, options.teacher_backbone)
        self.options: Relational.Options = options

    def student_loss(self, images: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            teacher = self.teacher.backbone(images)
        student = self.backbone(images)
        loss: Tensor = student.new_zeros(())
        if self.options.distance_weight:
            loss = loss + self.options.distance_weight * distance_loss(student, teacher)
        if self.options.angle_weight:
            loss = loss + self.options.angle_weight * angle_loss(student, teacher)
        if labels is not None:
            loss = loss + F.cross_entropy(self.head(student), labels)
        return loss


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber's loss between distances in units of their mean, the mean over pairs (Park et al. 2019, section 3.2.1).

    Args:
        student: features `[n, D]`.
        teacher: features `[n, D']`.
    """
    ours, theirs = (_relative_distances(features) for features in (student, teacher))
    # What an item is to itself is 0 in both.
    pairs = len(ours) * (len(ours) - 1)
    return F.smooth_l1_loss(ours, theirs, reduction="sum") / max(pairs, 1)


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber's loss between cosines of angles, the mean over triples (Park et al. 2019, section 3.2.2).

    Arguments as of `distance_loss`.
    """
    ours, theirs = (_cosines(features) for features in (student, teacher))
    # Triples in which an item comes twice have the same cosine in both, but where one of two items that differ for the
    # teacher are alike for the student.
    distinct = ~torch.eye(len(ours), dtype=torch.bool, device=ours.device)
    distinct = distinct[:, :, None] & distinct[:, None, :] & distinct[None]
    loss = F.smooth_l1_loss(ours, theirs, reduction="none")
    return (loss * distinct).sum() / distinct.sum().clamp(min=1)


def _relative_distances(features: Tensor) -> Tensor:
    """`[n, n]`, in units of the mean over pairs of items that differ in place."""
    _, lengths = _differences(features)
    pairs = len(features) * (len(features) - 1)
    return lengths / (lengths.sum() / max(pairs, 1)).clamp(min=torch.finfo(lengths.dtype).tiny)


def _cosines(features: Tensor) -> Tensor:
    """`[n, n, n]`: at [j, i, k] the cosine of the angle at j between the ways to i and to k; 0 for no way."""
    differences, lengths = _differences(features)
    directions = differences / torch.where(lengths > 0, lengths, 1)[..., None]
    with torch.autocast(features.device.type, enabled=False):  # bfloat16 has two digits
        return directions @ directions.transpose(1, 2)


def _differences(features: Tensor) -> tuple[Tensor, Tensor]:
    """At [j, i] the way from item j to item i, `[n, n, D]`, and its length, `[n, n]`, whose gradient is 0 at 0."""
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    differences = features[None] - features[:, None]
    squared = differences.square().sum(2)
    same = squared == 0
    return differences, torch.where(same, 0, (squared + same).sqrt())
