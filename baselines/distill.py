"""Knowledge distillation: a student network learns to answer as its teacher does (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.finetune import FineTune
from metabench.learner import LabelledBatch, Learner, Positive, Problem, Stage, option


def distillation_loss(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, mixing: float) -> Tensor:
    """`mixing * T^2 * KL(teacher softened by T || student softened by T) + (1 - mixing) * cross-entropy`.

    Hinton et al. 2015, section 2: T^2 keeps the two terms' gradients in proportion whatever T.

    Args:
        student: logits `[n, classes]`.
        teacher: logits `[n, classes]`.
        labels: `[n]`.
        temperature: T, above 0.
        mixing: from 0 (labels alone) to 1 (teacher alone).
    """
    soft_student = F.log_softmax(student / temperature, dim=1)
    soft_teacher = F.log_softmax(teacher / temperature, dim=1)
    imitation = F.kl_div(soft_student, soft_teacher, reduction="batchmean", log_target=True)
    return mixing * temperature**2 * imitation + (1 - mixing) * F.cross_entropy(student, labels)


class Distill(FineTune):
    """A student that learns from the softened answers of a larger teacher, then is scored as `finetune` is.

    The teacher is a `finetune` learner of its own, trained first on the same data. The record shows both: size,
    accuracy and speed.
    """

    @dataclass(frozen=True)
    class Options(FineTune.Options):
        teacher_backbone: str = option("conv4:128", "the teacher's network")
        teacher_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "the teacher's training steps; default as the student's"
        )
        temperature: Positive = option(4.0, "softening of both answers, above 0")
        mixing: Annotated[float, Field(ge=0, le=1)] = option(
            0.9, "weight of the teacher's answers against the labels, 0 to 1"
        )

    presets: ClassVar = {**FineTune.presets, "glyphs": {"steps": 1000}}

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: Distill.Options = options
        steps = options.steps if options.teacher_steps is None else options.teacher_steps
        teacher_options = replace(options, backbone=options.teacher_backbone, steps=steps)
        self.teacher = FineTune(problem, teacher_options)

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), **({} if self.options.mixing else {"temperature": "mixing is 0"})}

    def stages(self) -> Sequence[Stage]:
        (teacher,) = self.teacher.stages()
        (student,) = super().stages()
        return [replace(teacher, name="teacher", scored=self.teacher), replace(student, name="student")]

    def loss(self, batch: LabelledBatch) -> Tensor:
        with torch.no_grad():
            answers = self.teacher.train_logits(batch.images)
        student = self.train_logits(batch.images)
        return distillation_loss(student, answers, batch.labels, self.options.temperature, self.options.mixing)

    def companions(self) -> Mapping[str, Learner]:
        return {"teacher": self.teacher}
