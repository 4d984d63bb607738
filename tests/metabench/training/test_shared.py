"""A stage that several runs share gives each the weights, the curve and the checkpoint that it alone would have."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from episodes import Dataset, EpisodeSampler, FixedTask
from metabench.config import make_config
from metabench.errors import InterruptionError
from metabench.learner import LabelledBatch, Problem
from metabench.registry import get_learner
from metabench.training.loop import train
from metabench.training.plan import TrainingLog, TrainingPlan
from metabench.training.shared import is_settled, stage_key, state_digest

TASK = FixedTask(ways=3, shots=1, queries=3)


def build(name: str, dataset: Dataset, steps: int = 25, **options: Any) -> Any:
    learner = get_learner(name)
    torch.manual_seed(0)
    problem = Problem(dataset.train.item_shape, dataset.train.classes, TASK)
    batch = {"batch_size": 16} if hasattr(learner.Options, "batch_size") else {}
    return learner(problem, learner.Options(backbone="conv4:4", steps=steps, **batch, **options))


def plan(dataset: Any, folder: Path, shared: Path | None, task: FixedTask = TASK) -> TrainingPlan:
    return TrainingPlan(
        seed=0,
        precision="float32",
        validation=EpisodeSampler(dataset.validation, task, 0),
        validation_episodes=4,
        checkpoint=folder / "checkpoint.pt",
        identity={},
        shared=shared,
    )


def trained(learner: Any, dataset: Dataset, folder: Path, shared: Path | None = None) -> tuple[TrainingLog, str]:
    folder.mkdir(parents=True, exist_ok=True)
    log = train(learner, dataset, plan(dataset, folder, shared))
    return log, state_digest(learner)


class Counted:
    """A learner's loss, counting how often it was asked."""

    def __init__(self, learner: Any) -> None:
        self.count, self.loss = 0, learner.loss
        learner.loss = self

    def __call__(self, batch: LabelledBatch) -> Any:
        self.count += 1
        return self.loss(batch)


@pytest.mark.parametrize(("name", "steps"), [("simpleshot", 25), ("tim", 7)])
def test_a_run_that_follows_is_the_run_alone(toy: Dataset, tmp_path: Path, name: str, steps: int) -> None:
    alone, weights = trained(build(name, toy, steps), toy, tmp_path / "alone")
    trained(build("bd_cspn", toy, steps), toy, tmp_path / "first", tmp_path / "shared")
    learner = build(name, toy, steps)
    asked = Counted(learner)
    followed, same = trained(learner, toy, tmp_path / "second", tmp_path / "shared")
    assert asked.count == 1  # the step by which it knows that the stage is its own
    assert same == weights
    assert followed.curve == alone.curve
    assert followed.best == alone.best
    assert (followed.images, followed.multiply_adds) == (alone.images, alone.multiply_adds)


def test_the_run_that_trains_is_the_run_alone_and_its_time_is_the_followers_too(toy: Dataset, tmp_path: Path) -> None:
    alone, weights = trained(build("tim", toy), toy, tmp_path / "alone")
    first, same = trained(build("tim", toy), toy, tmp_path / "first", tmp_path / "shared")
    assert (same, first.curve) == (weights, alone.curve)
    for file in (tmp_path / "shared").glob("step-*.pt"):
        point = torch.load(file, weights_only=True)
        torch.save({**point, "seconds": [100.0, 50.0]}, file)
    second, _ = trained(build("bd_cspn", toy), toy, tmp_path / "second", tmp_path / "shared")
    assert second.seconds == pytest.approx(1000, abs=50)
    assert second.processor_seconds == pytest.approx(500, abs=50)


def test_another_loss_is_not_followed(toy: Dataset, tmp_path: Path) -> None:
    def smoothed(batch: LabelledBatch) -> Tensor:
        loss: Tensor = nn.functional.cross_entropy(
            learner.train_logits(batch.images), batch.labels, label_smoothing=0.1
        )
        return loss

    learner = build("tim", toy)
    learner.loss = smoothed
    alone = trained(learner, toy, tmp_path / "alone")[1]
    trained(build("tim", toy), toy, tmp_path / "first", tmp_path / "shared")
    learner = build("tim", toy)
    learner.loss = smoothed
    assert trained(learner, toy, tmp_path / "second", tmp_path / "shared")[1] == alone


def test_a_stage_that_draws_random_numbers_is_trained_by_each(toy: Dataset, tmp_path: Path) -> None:
    def with_dropout(name: str) -> Any:
        learner = build(name, toy)
        learner.backbone.append(nn.Dropout(0.5))
        return learner

    alone = trained(with_dropout("tim"), toy, tmp_path / "alone")[1]
    trained(with_dropout("bd_cspn"), toy, tmp_path / "first", tmp_path / "shared")
    assert is_settled(tmp_path / "shared")
    learner = with_dropout("tim")
    asked = Counted(learner)
    assert trained(learner, toy, tmp_path / "second", tmp_path / "shared")[1] == alone
    assert asked.count == 25


def test_an_interrupted_stage_is_shared_when_it_is_taken_up_again(toy: Dataset, tmp_path: Path) -> None:
    alone = trained(build("tim", toy), toy, tmp_path / "alone")[1]
    learner, folder = build("tim", toy), tmp_path / "first"
    folder.mkdir()
    loss, ours = learner.loss, plan(toy, folder, tmp_path / "shared")

    def interrupted(batch: LabelledBatch) -> Tensor:
        if interrupted.left == 0:  # type: ignore[attr-defined]
            ours.stop.asked = "interrupted"
        interrupted.left -= 1  # type: ignore[attr-defined]
        made: Tensor = loss(batch)
        return made

    interrupted.left = 12  # type: ignore[attr-defined]
    learner.loss = interrupted
    with ours.stop, pytest.raises(InterruptionError):
        train(learner, toy, ours)
    assert not is_settled(tmp_path / "shared")
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    again = build("tim", toy)
    train(again, toy, plan(toy, folder, tmp_path / "shared"), state)
    assert is_settled(tmp_path / "shared")
    assert state_digest(again) == alone
    learner = build("tim", toy)
    asked = Counted(learner)
    assert trained(learner, toy, tmp_path / "second", tmp_path / "shared")[1] == alone
    assert asked.count == 1


def test_a_run_that_follows_keeps_no_checkpoint_that_cannot_go_on(toy: Dataset, tmp_path: Path) -> None:
    trained(build("tim", toy), toy, tmp_path / "first", tmp_path / "shared")
    folder, learner = tmp_path / "second", build("bd_cspn", toy)
    folder.mkdir()
    ours = plan(toy, folder, tmp_path / "shared")
    seen: list[int] = []

    def watch(curve: Any) -> None:
        seen.append(len(curve))
        if len(curve) == 4:
            ours.stop.asked = "interrupted"

    with ours.stop, pytest.raises(InterruptionError, match="nothing is kept"):
        train(learner, toy, replace(ours, watch=watch))
    assert seen == [1, 2, 3, 4]


def test_the_key_is_of_what_the_weights_depend_on(toy: Dataset) -> None:
    config = make_config(threads=1)

    def key(learner: Any, **settings: Any) -> str | None:
        return stage_key(config.changed(**settings), learner, toy)

    tim = key(build("tim", toy))
    assert tim
    assert key(build("bd_cspn", toy)) == key(build("simpleshot", toy)) == tim
    assert key(build("tim", toy), shots=5, test_seed=3) == tim
    others = [
        key(build("tim", toy, steps=26)),
        key(build("tim", toy, learning_rate=1e-2)),
        key(build("baseline_plus_plus", toy)),
        key(build("meta_baseline", toy)),
        key(build("tim", toy), seed=1),
        key(build("tim", toy), threads=2),
        key(build("tim", toy), precision="bfloat16"),
    ]
    assert len({tim, *others}) == 8
    assert key(build("tim", toy, steps=0)) is None
    assert key(build("tim", toy, solver_steps=3)) == tim
    parts = [key(build("maml_plus_plus", toy, first_order_part=part)) for part in (0.3, 0.6)]
    assert len({None, *parts}) == 3  # though the first steps are the same
    changed = build("tim", toy)
    changed.load_state_dict({name: copy.deepcopy(value) * 2 for name, value in changed.state_dict().items()})
    assert key(changed) not in (tim, None)
