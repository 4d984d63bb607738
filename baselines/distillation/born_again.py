"""Born-again networks (Furlanello, Lipton, Tschannen, Itti, Anandkumar 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.distillation._teacher import Taught, distillation_loss, forward_cost, idle_mixing, step_cost
from baselines.transfer.finetune import FineTune
from metabench.learner import Count, LabelledBatch, Learner, Paper, Positive, Problem, Source, Stage, option


class BornAgain(Taught):
    """A student of the same network as its teacher, and on from there: each generation's teacher is the one before.

    Furlanello et al. 2018 (section 3): generation 0 learns from the labels alone; each further one begins with first
    weights of its own and learns from the predictions of the one before, too. The last one is the learner, and the one
    before it the teacher in its record. Tian et al. 2020 distil an embedding for few-shot tasks in this way
    (RFS-distill), with as much weight on softened predictions as on labels, which is the default here.

    Differs from the paper: generations are not joined to an ensemble.
    """

    @dataclass(frozen=True)
    class Options(Taught.Options):
        generations: Count = option(1, "students in a row, each of the one before")
        temperature: Positive = option(4.0, "softening of both predictions, above 0")
        mixing: Annotated[float, Field(ge=0, le=1)] = option(
            0.5, "weight of the teacher's predictions against the labels, 0 to 1"
        )

    source: ClassVar = Source(
        "distillation",
        (
            Paper(
                "Furlanello, Tommaso and Lipton, Zachary C. and Tschannen, Michael and Itti, Laurent and "
                "Anandkumar, Anima",
                "Born-Again Neural Networks",
                2018,
                "https://arxiv.org/abs/1805.04770",
                "ICML",
            ),
            *(paper for paper in FineTune.source.papers if paper.surnames[0] == "Tian"),
        ),
    )
    presets: ClassVar = Taught.presets

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options, options.backbone)
        self.options: BornAgain.Options = options
        self.between = nn.ModuleList(FineTune(problem, options) for _ in range(1, options.generations))

    @property
    def line(self) -> list[FineTune]:
        """All generations, from the first teacher to the learner itself."""
        return [self.teacher, *(each for each in self.between if isinstance(each, FineTune)), self]

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), **idle_mixing(self.options.labels, self.options.mixing)}

    def stages_before(self) -> Sequence[Stage]:
        made = []
        for number, (teacher, student) in enumerate(pairwise(self.line[:-1]), start=1):
            (stage,) = student.stages()
            loss = partial(self.generation_loss, student, teacher)
            made.append(replace(stage, name=f"generation {number}", loss=loss, scored=student))
        return made

    def generation_loss(self, student: FineTune, teacher: FineTune, batch: LabelledBatch) -> Tensor:
        """A scalar, of a student in between."""
        return self._imitation(student, teacher, batch.images, self.labels_of(batch))

    def student_loss(self, images: Tensor, labels: Tensor | None) -> Tensor:
        *_, teacher, student = self.line
        return self._imitation(student, teacher, images, labels)

    def _imitation(self, student: FineTune, teacher: FineTune, images: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            predictions = teacher.train_logits(images)
        temperature, mixing = self.options.temperature, self.options.mixing
        return distillation_loss(student.train_logits(images), predictions, labels, temperature, mixing)

    def teaching_cost(self) -> float:
        network = forward_cost(self.backbone, self.problem.image_shape)
        generation = step_cost(network, network) * self.options.steps
        return super().teaching_cost() + (self.options.generations - 1) * generation

    def companions(self) -> Mapping[str, Learner]:
        *earlier, teacher, _ = self.line
        named = {f"generation {number}": each for number, each in enumerate(earlier)}
        return {**super().companions(), "teacher": teacher, **named}
