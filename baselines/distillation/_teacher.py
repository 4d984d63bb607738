"""A student beside its teacher, and beside its own network trained alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from baselines.transfer.finetune import FineTune
from metabench.backbone import example_inputs
from metabench.learner import LabelledBatch, Learner, Positive, Problem, Stage, option


class Taught(FineTune):
    """A student that learns from a teacher, then is scored as `finetune` is.

    The teacher is a `finetune` learner of its own, trained first on the same data. The record shows both, size,
    accuracy and speed, and the student's network trained alone, from the same first weights: by default for as many
    steps as cost what all training that the student needs costs. Whether it does as well is whether the teacher was
    needed.

    A subclass writes `student_loss`, and `teaching_cost` where its student needs more than one stage.

    Args:
        teacher_backbone: the name of the teacher's network.
    """

    @dataclass(frozen=True)
    class Options(FineTune.Options):
        teacher_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "the teacher's training steps; default as the student's"
        )
        teacher_learning_rate: Positive | None = option(
            None, "the teacher's learning rate at the start; default as the student's"
        )
        labels: bool = option(
            True, "whether the student sees labels; false: what the teacher makes of the items is all that it has"
        )
        alone_steps: Annotated[int, Field(ge=0)] | None = option(
            None,
            "steps of the student's network alone, to compare with; 0 for none; default at equal cost",
            beside=True,
        )

    presets: ClassVar = {**FineTune.presets, "glyphs": {"steps": 1000}}

    def __init__(self, problem: Problem, options: Options, teacher_backbone: str) -> None:
        super().__init__(problem, options)
        self.options: Taught.Options = options
        self.teacher = FineTune(
            problem,
            replace(
                options,
                backbone=teacher_backbone,
                steps=options.steps if options.teacher_steps is None else options.teacher_steps,
                learning_rate=options.teacher_learning_rate or options.learning_rate,
            ),
        )
        alone = options.alone_steps
        if alone is None:
            alone = equal_steps(self.teaching_cost(), forward_cost(self.backbone, problem.image_shape))
        self.alone: FineTune | None = None
        if alone:
            self.alone = FineTune(problem, replace(options, steps=alone))
            self.alone.backbone.load_state_dict(self.backbone.state_dict())
            self.alone.head.load_state_dict(self.head.state_dict())

    def stages(self) -> Sequence[Stage]:
        (teacher,), (student,) = self.teacher.stages(), super().stages()
        stages = [
            replace(teacher, name="teacher", scored=self.teacher),
            *self.stages_before(),
            replace(student, name="student"),
        ]
        if self.alone:  # last, so that it takes no part in the student's training
            stages += [replace(stage, name="alone", scored=self.alone, beside=True) for stage in self.alone.stages()]
        return stages

    def stages_before(self) -> Sequence[Stage]:
        """Between the teacher's and the student's."""
        return ()

    def loss(self, batch: LabelledBatch) -> Tensor:
        return self.student_loss(batch.images, self.labels_of(batch))

    def labels_of(self, batch: LabelledBatch) -> Tensor | None:
        """What a student sees of a batch's labels."""
        return batch.labels if self.options.labels else None

    def student_loss(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """A scalar, of images `[n, ...]` and their labels `[n]`, None for a student that sees none."""
        raise NotImplementedError

    def teaching_cost(self) -> float:
        """Floating-point operations per item of a batch of all training that the student needs, its teacher's too."""
        shape = self.problem.image_shape
        teacher, student = (forward_cost(each.backbone, shape) for each in (self.teacher, self))
        return step_cost(teacher) * self.teacher.options.steps + step_cost(student, teacher) * self.options.steps

    def companions(self) -> Mapping[str, Learner]:
        return {"teacher": self.teacher, **({"network alone": self.alone} if self.alone else {})}


@dataclass(frozen=True)
class TeacherOptions(Taught.Options):
    """The options where teacher and student have networks of their own."""

    teacher_backbone: str = option("conv4:128", "the teacher's network")


# Where teacher and student have networks of their own.
PRESETS = {
    **Taught.presets,
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


def distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor | None, temperature: float, mixing: float
) -> Tensor:
    """`mixing * T^2 * KL(teacher softened by T || student softened by T) + (1 - mixing) * cross-entropy`.

    Hinton et al. 2015, section 2: T^2 keeps the two terms' gradients in proportion whatever T.

    Args:
        student: logits `[n, classes]`.
        teacher: logits `[n, classes]`.
        labels: `[n]`; None for none, and the first term alone whatever `mixing`.
        temperature: T, above 0.
        mixing: from 0 (labels alone) to 1 (teacher alone).
    """
    soft_student = F.log_softmax(student / temperature, dim=1)
    soft_teacher = F.log_softmax(teacher / temperature, dim=1)
    imitation = F.kl_div(soft_student, soft_teacher, reduction="batchmean", log_target=True)
    if labels is None:
        return temperature**2 * imitation
    return mixing * temperature**2 * imitation + (1 - mixing) * F.cross_entropy(student, labels)


def idle_mixing(labels: bool, mixing: float) -> dict[str, str]:
    """Which of `temperature` and `mixing` change nothing, with the reason (see `Learner.idle_options`)."""
    if not labels:
        return {"mixing": "labels is false"}
    return {} if mixing else {"temperature": "mixing is 0"}


def forward_cost(network: nn.Module, shape: tuple[int, ...], ask: Callable[[Tensor], Tensor] | None = None) -> int:
    """Floating-point operations of one input's way through a network, or through what `ask` asks of it."""
    training = network.training
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        (ask or network)(example_inputs(1, shape))
    network.train(training)
    return int(counter.get_total_flops())


def step_cost(trained: float, asked: float = 0) -> float:
    """Of a training step per item: through what is trained forward and back, which costs two ways forward, and forward
    through what it asks."""
    return 3 * trained + asked


def equal_steps(cost: float, network_cost: float) -> int:
    """Steps of a network alone that cost so much together."""
    return round(cost / step_cost(network_cost))
