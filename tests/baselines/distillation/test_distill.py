from pathlib import Path

import pytest
import torch

import metabench
from baselines.distillation._teacher import distillation_loss
from baselines.distillation.distill import Distill
from metabench.checks import build
from metabench.learner import LabelledBatch
from metabench.samples import PROBLEM


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
