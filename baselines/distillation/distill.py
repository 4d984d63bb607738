"""Knowledge distillation: a student network learns to answer as its teacher does (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from baselines.transfer.finetune import FineTune
from metabench.backbone import example_inputs
from metabench.learner import LabelledBatch, Learner, Paper, Positive, Problem, Source, Stage, option


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
    """A student that learns from the softened predictions of a larger teacher, then is scored as `finetune` is.

    The teacher is a `finetune` learner of its own, trained first on the same data. The record shows both, size,
    accuracy and speed, and the student's network trained alone, from the same first weights: by default for as many
    steps as cost what teacher and student cost together. Whether it does as well is whether the teacher was needed.
    """

    @dataclass(frozen=True)
    class Options(FineTune.Options):
        teacher_backbone: str = option("conv4:128", "the teacher's network")
        teacher_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "the teacher's training steps; default as the student's"
        )
        teacher_learning_rate: Positive | None = option(
            None, "the teacher's learning rate at the start; default as the student's"
        )
        temperature: Positive = option(4.0, "softening of both predictions, above 0")
        mixing: Annotated[float, Field(ge=0, le=1)] = option(
            0.9, "weight of the teacher's predictions against the labels, 0 to 1"
        )
        alone_steps: Annotated[int, Field(ge=0)] | None = option(
            None,
            "steps of the student's network alone, to compare with; 0 for none; default at equal cost",
            beside=True,
        )

    source: ClassVar = Source(
        "distillation",
        (
            Paper(
                "Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff",
                "Distilling the Knowledge in a Neural Network",
                2015,
                "https://arxiv.org/abs/1503.02531",
            ),
        ),
    )
    presets: ClassVar = {
        **FineTune.presets,
        "glyphs": {"steps": 1000},
        "text": {
            **FineTune.presets["text"],
            "backbone": "bert-tiny",
            "teacher_backbone": "minilm",
            "steps": 1500,
            "learning_rate": 5e-4,
            "teacher_steps": 100,
            "teacher_learning_rate": 2e-5,
        },
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: Distill.Options = options
        steps = options.steps if options.teacher_steps is None else options.teacher_steps
        rate = options.teacher_learning_rate or options.learning_rate
        teacher_options = replace(options, backbone=options.teacher_backbone, steps=steps, learning_rate=rate)
        self.teacher = FineTune(problem, teacher_options)
        alone = options.alone_steps
        if alone is None:
            costs = (forward_cost(each.backbone, problem.image_shape) for each in (self.teacher, self))
            alone = equal_steps(steps, options.steps, *costs)
        self.alone: FineTune | None = None
        if alone:
            self.alone = FineTune(problem, replace(options, steps=alone))
            self.alone.backbone.load_state_dict(self.backbone.state_dict())
            self.alone.head.load_state_dict(self.head.state_dict())

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), **({} if self.options.mixing else {"temperature": "mixing is 0"})}

    def stages(self) -> Sequence[Stage]:
        (teacher,), (student,) = self.teacher.stages(), super().stages()
        stages = [replace(teacher, name="teacher", scored=self.teacher), replace(student, name="student")]
        if self.alone:  # last, so that it takes no part in the student's training
            stages += [replace(stage, name="alone", scored=self.alone, beside=True) for stage in self.alone.stages()]
        return stages

    def loss(self, batch: LabelledBatch) -> Tensor:
        with torch.no_grad():
            predictions = self.teacher.train_logits(batch.images)
        student = self.train_logits(batch.images)
        return distillation_loss(student, predictions, batch.labels, self.options.temperature, self.options.mixing)

    def companions(self) -> Mapping[str, Learner]:
        return {"teacher": self.teacher, **({"network alone": self.alone} if self.alone else {})}


def forward_cost(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating-point operations of one input's way through a network."""
    training = network.training
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(example_inputs(1, shape))
    network.train(training)
    return int(counter.get_total_flops())


def equal_steps(teacher_steps: int, student_steps: int, teacher_cost: float, student_cost: float) -> int:
    """Steps of the student's network alone that cost what the teacher's and the student's training cost together.

    A way back costs two ways forward; a step of the student takes one way forward through the teacher, too.
    """
    teacher = 3 * teacher_cost * teacher_steps
    student = (3 * student_cost + teacher_cost) * student_steps
    return round((teacher + student) / (3 * student_cost))
