"""What all students share: the loss of soft targets, labels that are not seen, and the cost of being taught."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from baselines.distillation._teacher import (
    Taught,
    distillation_loss,
    equal_steps,
    forward_cost,
    step_cost,
)
from baselines.distillation.distill import Distill
from metabench.checks import build
from metabench.learner import LabelledBatch
from metabench.registry import get_learner

SMALL: dict[str, dict[str, Any]] = {
    "distill": {"backbone": "conv4:4", "teacher_backbone": "conv4:8"},
    "hints": {"backbone": "conv4:4", "teacher_backbone": "conv4:8"},
    "relational": {"backbone": "conv4:4", "teacher_backbone": "conv4:8"},
    "born_again": {"backbone": "conv4:4", "generations": 3},
}


def student_of(name: str, **options: Any) -> Taught:
    learner = build(get_learner(name), **{**SMALL[name], **options})
    assert isinstance(learner, Taught)
    return learner


def batch() -> LabelledBatch:
    return LabelledBatch(torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(6))


def test_loss_by_hand() -> None:
    """One image, two classes, T = 2: the teacher's softened answer is (0.75, 0.25), the student's (0.5, 0.5)."""
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])
    student = torch.zeros(1, 2)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    expected = 0.9 * 4 * divergence + 0.1 * math.log(2)
    loss = distillation_loss(student, teacher, torch.tensor([0]), temperature=2.0, mixing=0.9)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    unlabelled = distillation_loss(student, teacher, None, temperature=2.0, mixing=0.9)
    assert float(unlabelled) == pytest.approx(4 * divergence, rel=1e-6)


def test_high_temperature_matches_logits() -> None:
    """Hinton et al. 2015, equation 4: at high T the gradient is (z - v) / N for logits of zero mean."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    teacher = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    student, teacher = student - student.mean(), teacher - teacher.mean()
    student.requires_grad_()
    distillation_loss(student, teacher, torch.tensor([0]), temperature=1e4, mixing=1.0).backward()
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / 5, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_without_labels_no_stage_of_a_student_reads_any(name: str) -> None:
    """A batch that has none serves all stages but the teacher's, and those of students that see labels."""
    without = SimpleNamespace(images=batch().images)
    teacher, *students, alone = student_of(name, labels=False).stages()
    assert (teacher.name, students[-1].name, alone.name) == ("teacher", "student", "alone")
    for stage in students:
        assert torch.isfinite(stage.loss(without))
    for stage in (teacher, alone, student_of(name).stages()[-2]):
        with pytest.raises(AttributeError, match="labels"):
            stage.loss(without)


@pytest.mark.parametrize("name", SMALL)
def test_a_students_stages_change_none_of_the_others(name: str) -> None:
    learner = student_of(name)
    others = [each for each in learner.companions().values() if each is not learner.alone]
    *_, student, alone = learner.stages()
    student.loss(batch()).backward()
    assert all(parameter.grad is not None for parameter in student.module.parameters())
    assert all(parameter.grad is None for each in (*others, learner.alone) if each for parameter in each.parameters())
    learner.zero_grad()
    alone.loss(batch()).backward()
    assert all(parameter.grad is None for parameter in learner.backbone.parameters())


@pytest.mark.parametrize(
    ("options", "idle"),
    [
        ({"labels": False}, {"mixing": "labels is false"}),
        ({"mixing": 0.0}, {"temperature": "mixing is 0"}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("name", ["distill", "hints", "born_again"])
def test_options_that_change_nothing_are_named(name: str, options: dict[str, Any], idle: dict[str, str]) -> None:
    found = student_of(name, **options).idle_options()
    assert {option: why for option, why in found.items() if option in ("mixing", "temperature")} == idle


def test_without_labels_is_all_weight_on_the_teacher() -> None:
    unlabelled, weighted = (
        student_of("distill", **each).loss(batch()) for each in ({"labels": False}, {"mixing": 1.0})
    )
    assert unlabelled.item() == pytest.approx(weighted.item(), rel=1e-6)


def test_the_network_alone_begins_as_the_student_and_costs_what_student_and_teacher_do() -> None:
    learner = student_of("distill", teacher_steps=7, steps=30)
    assert learner.alone is not None
    alone = learner.stages()[-1]
    assert (alone.name, alone.scored, alone.beside) == ("alone", learner.alone, True)
    teacher, student = forward_cost(learner.teacher.backbone, (1, 28, 28)), 2 * 64_800
    assert alone.options.steps == round((7 * 3 * teacher + 30 * (3 * student + teacher)) / (3 * student))
    first, students = learner.alone.state_dict(), learner.state_dict()
    assert all(torch.equal(value, students[name]) for name, value in first.items())


def test_the_cost_of_a_network_by_hand() -> None:
    """3 x 3 convolutions with 4 filters on 28, 14, 7 and 3 pixels a side: multiplications and additions."""
    network = build(Distill, backbone="conv4:4").backbone.train()
    products = 9 * (1 * 4 * 28**2 + 4 * 4 * (14**2 + 7**2 + 3**2))
    assert products == 64_800
    assert forward_cost(network, (1, 28, 28)) == 2 * products
    assert network.training


def test_equal_steps_by_hand() -> None:
    """A teacher's step costs 3 x 8, a student's 3 x 2 + 8, and one alone 3 x 2: (240 + 280) / 6."""
    assert equal_steps(10 * step_cost(8) + 20 * step_cost(2, 8), 2) == 87
    assert equal_steps(0, 2) == 0
