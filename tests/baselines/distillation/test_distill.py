import math
from pathlib import Path

import pytest
import torch

import metabench
from baselines.distillation.distill import Distill, distillation_loss, equal_steps, forward_cost
from metabench.checks import build
from metabench.learner import LabelledBatch
from metabench.samples import PROBLEM


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
    teacher, student, _ = learner.stages()
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
    teacher = learner.companions()["teacher"]
    assert teacher.scoring_parameters() > 3 * learner.scoring_parameters()


def test_the_network_alone_begins_as_the_student_and_costs_what_student_and_teacher_do() -> None:
    learner = build(Distill, backbone="conv4:4", teacher_backbone="conv4:8", teacher_steps=7, steps=30)
    assert isinstance(learner, Distill)
    assert learner.alone is not None
    alone = learner.stages()[-1]
    assert (alone.name, alone.scored) == ("alone", learner.alone)
    assert alone.options.steps == equal_steps(7, 30, forward_cost(learner.teacher.backbone, (1, 28, 28)), 2 * 64_800)
    first, students = learner.alone.state_dict(), learner.state_dict()
    assert all(torch.equal(value, students[name]) for name, value in first.items())
    alone.loss(LabelledBatch(torch.rand(4, 1, 28, 28), torch.arange(4))).backward()
    assert all(parameter.grad is None for parameter in learner.backbone.parameters())


def test_the_cost_of_a_network_by_hand() -> None:
    """3 x 3 convolutions with 4 filters on 28, 14, 7 and 3 pixels a side: multiplications and additions."""
    network = build(Distill, backbone="conv4:4").backbone.train()
    products = 9 * (1 * 4 * 28**2 + 4 * 4 * (14**2 + 7**2 + 3**2))
    assert products == 64_800
    assert forward_cost(network, (1, 28, 28)) == 2 * products
    assert network.training


def test_equal_steps_by_hand() -> None:
    """A teacher's step costs 3 x 8, a student's 3 x 2 + 8, and one alone 3 x 2: (240 + 280) / 6."""
    assert equal_steps(10, 20, 8, 2) == 87
    assert equal_steps(0, 0, 8, 2) == 0


def test_training_the_network_alone_changes_nothing_of_the_others(tmp_path: Path) -> None:
    settings = {"learner": "distill", "ways": 3, "queries": 5, "episodes": 6, "validation_episodes": 3, "threads": 1}
    options = {"backbone": "conv4:4", "teacher_backbone": "conv4:6", "steps": 12, "batch_size": 16}
    beside, without = (
        metabench.run(**settings, options={**options, "alone_steps": steps}, output=tmp_path) for steps in (5, 0)
    )
    assert set(beside.companions) == {"teacher", "network alone"}
    assert set(without.companions) == {"teacher"}
    saved = [torch.load(tmp_path / run.id / "learner.pt", weights_only=True) for run in (beside, without)]
    weights = [each["learner"] for each in saved]
    assert weights[1].keys() < weights[0].keys()
    assert all(torch.equal(value, weights[0][name]) for name, value in weights[1].items())
    assert not torch.equal(weights[0]["head.weight"], weights[0]["alone.head.weight"])
    assert beside.score.mean == without.score.mean
    assert beside.changed_options == without.changed_options == options  # one row of the leaderboard
    assert beside.training.images == without.training.images == 2 * 12 * 16  # its cost is not the student's
    assert [row["stage"] for row in beside.training.curve[-5:]] == ["alone"] * 5
