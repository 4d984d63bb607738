"""Knowledge distillation: a student network learns to answer as its teacher does (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from baselines.distillation._teacher import PRESETS, Taught, TeacherOptions, distillation_loss, idle_mixing
from metabench.learner import Paper, Positive, Problem, Source, option

HINTON = Paper(
    "Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff",
    "Distilling the Knowledge in a Neural Network",
    2015,
    "https://arxiv.org/abs/1503.02531",
)


class Distill(Taught):
    """A student that learns from the softened predictions of a larger teacher, then is scored as `finetune` is.

    The teacher is a `finetune` learner of its own, trained first on the same data. The record shows both, size,
    accuracy and speed, and the student's network trained alone, from the same first weights: by default for as many
    steps as cost what teacher and student cost together. Whether it does as well is whether the teacher was needed.
    With `labels=false` the student sees no labels: the teacher's predictions take their place.
    """

    @dataclass(frozen=True)
    class Options(TeacherOptions):
        temperature: Positive = option(4.0, "softening of both predictions, above 0")
        mixing: Annotated[float, Field(ge=0, le=1)] = option(
            0.9, "weight of the teacher's predictions against the labels, 0 to 1"
        )

    source: ClassVar = Source("distillation", (HINTON,))
    presets: ClassVar = PRESETS

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options, options.teacher_backbone)
        self.options: Distill.Options = options

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), **idle_mixing(self.options.labels, self.options.mixing)}

    def student_loss(self, images: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            predictions = self.teacher.train_logits(images)
        student = self.train_logits(images)
        return distillation_loss(student, predictions, labels, self.options.temperature, self.options.mixing)
