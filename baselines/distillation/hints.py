"""FitNets: hints from inside the teacher, and then its predictions (Romero et al. 2015)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.bases.frozen import ClassMeans
from baselines.distillation._middle import middle_layer, middle_output
from baselines.distillation._teacher import forward_cost, step_cost
from baselines.distillation.distill import HINTON, Distill
from episodes.episode import marks_words
from metabench.backbone import example_inputs
from metabench.learner import Batches, LabelledBatch, Paper, Problem, Source, Stage, option

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Sigmoid)
AT_ONCE = 32  # items that are embedded together for validation


class Hints(Distill):
    """A student whose first half learns what the middle of its teacher gives, and that then learns as `distill` does.

    Romero et al. 2015 (section 2.2): the hint is the output of the teacher's middle layer. The student's middle layer,
    the guided one, learns to give as much of it as a regressor can tell, by half the squared difference (equation 3).
    The regressor, which this stage alone needs, is a convolution whose kernel is as much larger than 1 as the guided
    map is larger than the hint, and ends in the hint layer's activation. The second stage trains the whole student with
    soft targets. No label is read in the first, and with `labels=false` none in the second.

    Of texts, whose middle layers give a vector for each token, the regressor is linear.

    Differs from the paper: the squared difference is a mean over units. A hint larger than the guided map is averaged
    down to its size; where only one of the two is a map, both are averaged over places. The activation is the hint
    layer's last module, if that is one. The weight of the soft targets stays as it is.
    """

    @dataclass(frozen=True)
    class Options(Distill.Options):
        hint_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "training steps on the hints; default half of the student's"
        )

    source: ClassVar = Source(
        "distillation",
        (
            Paper(
                "Romero, Adriana and Ballas, Nicolas and Kahou, Samira Ebrahimi and Chassang, Antoine and Gatta, Carlo "
                "and Bengio, Yoshua",
                "FitNets: Hints for Thin Deep Nets",
                2015,
                "https://arxiv.org/abs/1412.6550",
                "ICLR",
            ),
            HINTON,
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: Hints.Options = options
        self.hint_layer = middle_layer(self.teacher.backbone, problem.image_shape)
        self.guided_layer = middle_layer(self.backbone, problem.image_shape)
        training = self.training
        self.eval()
        guided, hint = self.guided_and_hint(example_inputs(2, problem.image_shape))
        self.train(training)
        self.regressor = regressor(guided, hint, self.teacher.backbone.get_submodule(self.hint_layer))

    def stages_before(self) -> Sequence[Stage]:
        trained = nn.ModuleList([self.backbone, self.regressor])
        options = replace(self.options, steps=hint_steps(self.options))
        data, scored = Batches(self.options.batch_size), GuidedMeans(self)
        return [Stage("hints", data, self.hint_loss, trained, options, scored=scored)]

    def hint_loss(self, batch: LabelledBatch) -> Tensor:
        """Half the squared difference between hint and regressor, the mean over units (Romero et al. 2015, eq. 3)."""
        guided, hint = self.guided_and_hint(batch.images)
        return F.mse_loss(self.regressor(guided), hint) / 2

    def guided_and_hint(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """What student and teacher make of inputs `[n, ...]` in their middle, as the regressor takes and gives it."""
        guided = middle_output(self.backbone, self.guided_layer, inputs)
        hint = middle_output(self.teacher.backbone, self.hint_layer, inputs).detach()
        if guided.ndim == hint.ndim == 4:
            height, width = map(min, guided.shape[2:], hint.shape[2:])
            return guided, F.adaptive_avg_pool2d(hint, (height, width))
        if guided.ndim == hint.ndim == 3 and guided.shape[1] == hint.shape[1]:
            real = inputs[:, : guided.shape[1]] != 0 if inputs.ndim == 2 else slice(None)  # tokens of a text
            return guided[real], hint[real]
        return over_places(guided), over_places(hint)

    def teaching_cost(self) -> float:
        shape = self.problem.image_shape
        first_halves = (
            forward_cost(network, shape, partial(middle_output, network, middle_layer(network, shape)))
            for network in (self.backbone, self.teacher.backbone)
        )
        return super().teaching_cost() + step_cost(*first_halves) * hint_steps(self.options)


def hint_steps(options: Hints.Options) -> int:
    """How many steps the first stage takes."""
    return options.steps // 2 if options.hint_steps is None else options.hint_steps


def regressor(guided: Tensor, hint: Tensor, layer: nn.Module) -> nn.Sequential:
    """From what the guided layer gives to what the hint layer gives.

    Args:
        guided, hint: examples: `[n, C, H, W]` and `[n, C', H', W']`, no larger; else `[..., D]` and `[..., D']`.
        layer: the hint layer.
    """
    parts: list[nn.Module] = []
    if guided.ndim == 4:
        height, width = (ours - theirs + 1 for ours, theirs in zip(guided.shape[2:], hint.shape[2:], strict=True))
        parts.append(nn.Conv2d(guided.shape[1], hint.shape[1], (height, width)))
    else:
        parts.append(nn.Linear(guided.shape[-1], hint.shape[-1]))
    *_, last = layer.modules()
    return nn.Sequential(*parts, *([copy.deepcopy(last)] if isinstance(last, ACTIVATIONS) else []))


def over_places(states: Tensor) -> Tensor:
    """`[n, D]`: the mean over the places of a map `[n, D, H, W]`, or over tokens `[n, L, D]`."""
    return states.mean((2, 3)) if states.ndim == 4 else states.mean(1) if states.ndim == 3 else states


class GuidedMeans(ClassMeans):
    """The class whose mean is most alike by the cosine, on what a student's guided layer gives: for validation."""

    def __init__(self, student: Hints) -> None:
        super().__init__(student.problem, student.options, student.backbone)
        self.layer = student.guided_layer

    def embed(self, images: Tensor) -> Tensor:
        return torch.cat([self._embedded(part) for part in torch.split(images, AT_ONCE)])

    def _embedded(self, inputs: Tensor) -> Tensor:
        states = middle_output(self.backbone, self.layer, inputs).detach()
        if inputs.ndim > 2:
            return over_places(states)
        ids = inputs[:, : states.shape[1]]
        if marks_words(ids):
            return states[ids > 0]
        real = (ids != 0).to(states.dtype)[..., None]
        return (states * real).sum(1) / real.sum(1).clamp(min=1)
