"""Generations: who learns from whom."""

from pathlib import Path

import pytest
import torch

from baselines.distillation._teacher import distillation_loss, equal_steps, forward_cost
from baselines.distillation.born_again import BornAgain
from baselines.transfer.finetune import FineTune
from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from metabench.checks import build
from metabench.learner import LabelledBatch, Problem
from metabench.training.loop import train
from metabench.training.plan import TrainingPlan

TASK = FixedTask(ways=3, shots=1, queries=3)


def line_of(generations: int, **options: object) -> BornAgain:
    learner = build(BornAgain, backbone="conv4:4", generations=generations, **options)
    assert isinstance(learner, BornAgain)
    return learner


def test_each_generation_learns_from_the_one_before() -> None:
    learner = line_of(3, temperature=2.0, mixing=0.25)
    batch = LabelledBatch(torch.rand(6, 1, 28, 28), torch.arange(6))
    teacher, *students, _ = learner.stages()
    assert [stage.name for stage in students] == ["generation 1", "generation 2", "student"]
    logits = [each.train_logits(batch.images) for each in learner.line]
    assert teacher.loss(batch).item() == pytest.approx(learner.teacher.loss(batch).item())
    for number, stage in enumerate(students, start=1):
        expected = distillation_loss(logits[number], logits[number - 1], batch.labels, 2.0, 0.25)
        assert stage.loss(batch).item() == pytest.approx(expected.item())
        own = learner.line[number]
        assert (stage.scored or learner) is own
        assert {id(each) for each in stage.module.parameters()} == {
            id(each) for part in (own.backbone, own.head) for each in part.parameters()
        }


def test_a_generations_loss_reaches_itself_alone() -> None:
    learner = line_of(3)
    batch = LabelledBatch(torch.rand(6, 1, 28, 28), torch.arange(6))
    learner.stages()[2].loss(batch).backward()
    reached = [each.head.weight.grad is not None for each in learner.line]
    assert reached == [False, False, True, False]


def test_generations_have_one_network_and_first_weights_of_their_own() -> None:
    learner = line_of(3)
    sizes = {sum(each.numel() for each in one.parameters()) for one in (*learner.line[:-1], learner.alone) if one}
    assert len(sizes) == 1
    first = [one.backbone[0].weight for one in learner.line]
    assert not any(torch.equal(first[0], other) for other in first[1:])
    companions = learner.companions()
    assert companions["teacher"] is learner.line[2]
    assert [companions[f"generation {number}"] for number in (0, 1)] == learner.line[:2]
    assert set(line_of(1).companions()) == {"teacher", "network alone"}


def test_the_network_alone_costs_what_all_generations_cost() -> None:
    """A step of generation 0 costs 3 ways through the network, and of a later one 4."""
    learner = line_of(3, teacher_steps=10, steps=6)
    assert learner.stages()[-1].options.steps == round((3 * 10 + 4 * 6 * 3) / 3)
    network = forward_cost(learner.backbone, (1, 28, 28))
    assert equal_steps(learner.teaching_cost(), network) == round((3 * 10 + 4 * 6 * 3) / 3)


def test_training_goes_through_every_generation(toy: Dataset[ImageBank], tmp_path: Path) -> None:
    problem = Problem(toy.train.item_shape, toy.train.classes, TASK)
    learner = BornAgain(problem, BornAgain.Options("conv4:4", steps=10, batch_size=16, generations=2, alone_steps=0))
    first = [one.backbone[0].weight.clone() for one in learner.line]
    plan = TrainingPlan(0, "float32", EpisodeSampler(toy.validation, TASK, 0), 2, tmp_path / "checkpoint", {})
    log = train(learner, toy, plan)
    assert [*log.best] == ["teacher", "generation 1", "student"]
    assert log.images == 3 * 10 * 16
    assert not any(torch.equal(one.backbone[0].weight, was) for one, was in zip(learner.line, first, strict=True))


def test_the_papers_are_those_that_it_follows() -> None:
    assert [paper.short for paper in BornAgain.source.papers] == ["Furlanello et al. 2018", "Tian et al. 2020"]
    assert BornAgain.source.papers[1] in FineTune.source.papers
