import math

import pytest
import torch

from baselines.distill import Distill, distillation_loss
from metabench.checks import PROBLEM, build
from metabench.learner import LabelledBatch


def test_loss_by_hand() -> None:
    """One image, two classes, T = 2: the teacher's softened answer is (0.75, 0.25), the student's (0.5, 0.5)."""
    teacher = torch.tensor([[2 * math.log(3.0), 0.0]])
    student = torch.zeros(1, 2)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    expected = 0.9 * 4 * divergence + 0.1 * math.log(2)
    loss = distillation_loss(student, teacher, torch.tensor([0]), temperature=2.0, mixing=0.9)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_high_temperature_matches_logits() -> None:
    """Hinton et al. 2015, equation 4: at high T the gradient is (z - v) / N for logits of zero mean."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    teacher = torch.randn(1, 5, generator=generator, dtype=torch.float64)
    student, teacher = student - student.mean(), teacher - teacher.mean()
    student.requires_grad_()
    distillation_loss(student, teacher, torch.tensor([0]), temperature=1e4, mixing=1.0).backward()
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / 5, rtol=1e-3, atol=1e-5)


def test_the_students_stage_imitates_the_teacher_by_the_options() -> None:
    learner = build(Distill, backbone="conv4:4", teacher_backbone="conv4:8", temperature=3.0, mixing=0.7)
    assert isinstance(learner, Distill)
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3]))
    student, teacher = (each.train_logits(batch.images) for each in (learner, learner.teacher))
    expected = distillation_loss(student, teacher, batch.labels, temperature=3.0, mixing=0.7)
    assert learner.loss(batch).item() == pytest.approx(expected.item())
    assert expected.item() != pytest.approx(distillation_loss(teacher, student, batch.labels, 3.0, 0.7).item())


def test_student_stage_leaves_the_teacher_alone() -> None:
    learner = build(Distill, backbone="conv4:4", teacher_backbone="conv4:8", teacher_steps=7, steps=3)
    assert isinstance(learner, Distill)
    teacher, student = learner.stages()
    assert (teacher.name, teacher.options.steps, teacher.scored) == ("teacher", 7, learner.teacher)
    assert (student.name, student.options.steps, student.scored) == ("student", 3, None)
    trained = {id(parameter) for parameter in student.module.parameters()}
    assert not trained & {id(parameter) for parameter in learner.teacher.parameters()}
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3]))
    learner.loss(batch).backward()
    assert all(parameter.grad is None for parameter in learner.teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.module.parameters())


def test_record_shows_a_larger_teacher_by_default() -> None:
    learner = Distill(PROBLEM, Distill.Options())
    (teacher,) = learner.companions().values()
    assert teacher.scoring_parameters() > 3 * learner.scoring_parameters()
