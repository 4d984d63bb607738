"""The first stage of FitNets, against numpy and gradients in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from torch import nn

from baselines.distillation._teacher import forward_cost
from baselines.distillation.hints import GuidedMeans, Hints, regressor
from episodes import Dataset, EpisodeSampler, ImageBank
from metabench.checks import build
from metabench.learner import EpisodeFeatures, LabelledBatch, Problem
from metabench.samples import PROBLEM, TASK, random_episodes, text_problem, training_data, word_problem
from metabench.training.loop import train
from metabench.training.plan import TrainingPlan

IMAGES = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def hinted(backbone: str = "conv4:4", teacher: str = "conv4:6", problem: Problem = PROBLEM, **options: Any) -> Hints:
    learner = build(Hints, problem=problem, backbone=backbone, teacher_backbone=teacher, **options)
    assert isinstance(learner, Hints)
    return learner


def test_the_loss_is_half_the_mean_squared_difference_of_maps() -> None:
    learner = hinted()
    guided, hint = (
        nn.Sequential(*list(network)[:8])(IMAGES).detach().double().numpy()
        for network in (learner.backbone, learner.teacher.backbone)
    )
    weight, bias = (each.detach().double().numpy() for each in learner.regressor[0].parameters())
    told = np.einsum("nchw,dc->ndhw", guided, weight[:, :, 0, 0]) + bias[:, None, None]
    expected = 0.5 * np.mean((np.maximum(told, 0) - hint) ** 2)  # the hint ends in a ReLU
    found = learner.hint_loss(LabelledBatch(IMAGES, torch.zeros(0)))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_kernel_is_as_much_larger_as_the_guided_map() -> None:
    """Romero et al. 2015, section 2.2, against scipy's correlation."""
    guided, hint = torch.rand(1, 2, 7, 6), torch.rand(1, 3, 5, 5)
    made = regressor(guided, hint, nn.MaxPool2d(2))
    assert [type(part) for part in made] == [nn.Conv2d]
    assert made[0].kernel_size == (3, 2)
    expected = [
        sum(correlate(guided[0, c].numpy(), weight[c].numpy(), mode="valid") for c in range(2)) + float(bias)
        for weight, bias in zip(made[0].weight.detach(), made[0].bias.detach(), strict=True)
    ]
    np.testing.assert_allclose(made(guided)[0].detach(), expected, rtol=1e-5)


def test_the_gradient_of_the_first_stage_in_float64() -> None:
    learner = hinted("conv4:2", "conv4:2").double()
    images = IMAGES.double()
    trained = [*learner.backbone[:8].parameters(), *learner.regressor.parameters()]
    loss = learner.hint_loss(LabelledBatch(images, torch.zeros(0)))
    gradient = torch.autograd.grad(loss, trained)
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in trained]
    values = []
    for step in (1e-7, -2e-7):
        with torch.no_grad():
            for parameter, towards in zip(trained, direction, strict=True):
                parameter.add_(step * towards)
            values.append(learner.hint_loss(LabelledBatch(images, torch.zeros(0))).item())
    slope = sum((one * other).sum() for one, other in zip(gradient, direction, strict=True))
    assert (values[0] - values[1]) / 2e-7 == pytest.approx(slope.item(), rel=1e-5)


def test_the_first_stage_trains_the_student_up_to_its_guided_layer() -> None:
    learner = hinted(steps=30)
    teacher, hints, student, _ = learner.stages()
    assert [stage.name for stage in (teacher, hints, student)] == ["teacher", "hints", "student"]
    assert [stage.options.steps for stage in (hints, student)] == [15, 30]
    hints.loss(LabelledBatch(IMAGES, torch.zeros(0))).backward()
    assert [each.grad is not None for each in learner.backbone.parameters()] == [True] * 8 + [False] * 8
    assert all(each.grad is not None for each in learner.regressor.parameters())
    assert all(each.grad is None for each in learner.teacher.parameters())
    assert hinted(steps=30, hint_steps=7).stages()[1].options.steps == 7


@pytest.mark.parametrize(
    ("backbone", "teacher", "kind", "shape"),
    [
        ("conv4-two-pools:4", "conv4:6", nn.Conv2d, (3, 4, 7, 7)),
        ("conv4:4", "resnet12:4", nn.Conv2d, (3, 4, 7, 7)),
        ("conv4:4", "torchvision:resnet18:64", nn.Conv2d, (3, 4, 7, 7)),  # whose map of 8 x 8 is averaged to 7 x 7
        ("conv4:4", "mlp:10", nn.Linear, (3, 4)),
        ("mlp:10", "conv4:4", nn.Linear, (3, 10)),
        ("conv4:4", "timm:vit_tiny_patch16_224:32", nn.Linear, (3, 4)),
    ],
)
def test_any_teacher_hints_at_any_student(backbone: str, teacher: str, kind: type, shape: tuple[int, ...]) -> None:
    learner = hinted(backbone, teacher, alone_steps=0)
    assert isinstance(learner.regressor[0], kind)
    guided, hint = learner.guided_and_hint(IMAGES)
    assert guided.shape == shape
    assert learner.regressor(guided).shape == hint.shape
    assert torch.isfinite(learner.hint_loss(LabelledBatch(IMAGES, torch.zeros(0))))


@pytest.mark.parametrize("make", [text_problem, word_problem])
def test_padding_of_texts_is_no_token(make: Any) -> None:
    """The loss of texts beside longer ones is the mean over all real tokens, as they come alone."""
    problem = make()
    learner = hinted("bert-tiny", "bert-tiny", problem=problem, alone_steps=0)
    ids = training_data(learner.stages()[1], problem).images[:4]
    parts = [learner.guided_and_hint(text[None, : int((text != 0).sum())]) for text in ids]
    guided, hint = learner.guided_and_hint(ids)
    assert len(guided) == int((ids != 0).sum())
    for whole, each in ((guided, 0), (hint, 1)):
        torch.testing.assert_close(whole, torch.cat([part[each] for part in parts]), rtol=1e-4, atol=1e-5)


def test_validation_of_the_first_stage_is_the_nearest_mean_of_the_guided_layer() -> None:
    learner, episodes = hinted(), random_episodes(1)
    support, query = (
        nn.Sequential(*list(learner.backbone)[:8])(part[0]).mean((2, 3)) for part in (episodes.support, episodes.query)
    )
    means = torch.stack([support[episodes.support_labels[0] == label].mean(0) for label in range(3)])
    expected = torch.cosine_similarity(query[:, None], means[None], dim=2)
    torch.testing.assert_close(GuidedMeans(learner).classify(episodes)[0], expected, rtol=1e-4, atol=1e-5)
    assert isinstance(learner.stages()[1].scored, GuidedMeans)


def test_words_are_validated_word_by_word() -> None:
    problem = word_problem()
    learner = hinted("bert-tiny", "bert-tiny", problem=problem, alone_steps=0)
    episodes = random_episodes(1, task=problem.task, shape=problem.image_shape)
    means = GuidedMeans(learner)
    features = [means.embed(part[0]) for part in (episodes.support, episodes.query)]
    assert [len(each) for each in features] == [
        labels.shape[1] for labels in (episodes.support_labels, episodes.query_labels)
    ]
    logits = means.classify_features(
        EpisodeFeatures(features[0][None], episodes.support_labels, features[1][None], episodes.ways)
    )
    assert torch.isfinite(logits).all()


def test_the_network_alone_costs_the_first_stage_too() -> None:
    learner = hinted(steps=30, teacher_steps=0, hint_steps=8)
    halves = [
        forward_cost(nn.Sequential(*list(network)[:8]), (1, 28, 28))
        for network in (learner.backbone, learner.teacher.backbone)
    ]
    student, teacher = (forward_cost(each.backbone, (1, 28, 28)) for each in (learner, learner.teacher))
    cost = 30 * (3 * student + teacher) + 8 * (3 * halves[0] + halves[1])
    assert learner.stages()[-1].options.steps == round(cost / (3 * student))


def test_the_first_stage_comes_near_to_the_hints(toy: Dataset[ImageBank], tmp_path: Path) -> None:
    problem = Problem(toy.train.item_shape, toy.train.classes, TASK)
    learner = hinted(problem=problem, steps=10, hint_steps=40, batch_size=16, alone_steps=0)
    plan = TrainingPlan(0, "float32", EpisodeSampler(toy.validation, TASK, 0), 2, tmp_path / "checkpoint", {})
    log = train(learner, toy, plan)
    assert [*log.best] == ["teacher", "hints", "student"]
    losses = [row["loss"] for row in log.curve if row["stage"] == "hints"]
    assert losses[-1] < 0.75 * losses[0]
    assert log.images == (10 + 40 + 10) * 16
