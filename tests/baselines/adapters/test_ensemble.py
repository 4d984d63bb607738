"""An ensemble's predictions are the mean of its members', which are the learner with each setting."""

from typing import Any

import pytest
import torch

from episodes import Dataset, EpisodeSampler, FixedTask
from episodes.tasks.regression import RegressionTask
from metabench import checks
from metabench.checks.points import build
from metabench.errors import UsageError
from metabench.learner import Problem
from metabench.registry import get_learner, learner_name
from metabench.samples import PROBLEM, random_episodes
from metabench.training.loop import train
from metabench.training.plan import TrainingPlan

SCALES = "scale=1|scale=1000"


def test_probabilities_are_averaged() -> None:
    ensemble = build(get_learner("ensemble:matchingnet"), members=SCALES)
    episodes = random_episodes(task=PROBLEM.task, shape=PROBLEM.image_shape)
    with torch.no_grad():
        alone = [build(get_learner("matchingnet"), scale=scale).classify(episodes) for scale in (1.0, 1000.0)]
        found = ensemble.classify(episodes)
    wanted = sum(logits.double().softmax(2) for logits in alone) / 2
    assert torch.allclose(found.double().softmax(2), wanted, atol=1e-6)
    assert not torch.allclose(alone[0].softmax(2), alone[1].softmax(2), atol=0.1)


def test_in_regression_outputs_are_averaged() -> None:
    problem = Problem((1,), 0, RegressionTask(10, 10))
    options = {"backbone": "mlp", "test_inner_steps": 1}
    rates = {"inner_learning_rate": 0.01}, {"inner_learning_rate": 0.1}
    members = "inner_learning_rate=0.01|inner_learning_rate=0.1"
    episodes = random_episodes(task=problem.task, shape=problem.image_shape)
    ensemble = build(get_learner("ensemble:maml"), problem=problem, members=members, **options)
    alone = [build(get_learner("maml"), problem=problem, **options, **each) for each in rates]
    outputs = [learner.classify(episodes) for learner in alone]
    assert torch.allclose(ensemble.classify(episodes), (outputs[0] + outputs[1]) / 2, atol=1e-6)
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-3)


def test_each_member_is_trained_by_its_own_setting(toy: Dataset, tmp_path: Any) -> None:
    task = FixedTask(ways=3, shots=1, queries=3)
    problem = Problem(toy.train.item_shape, toy.train.classes, task)
    options = {"backbone": "conv4:4", "steps": 10, "train_shots": 1, "members": "learning_rate=1e-9|learning_rate=1e-2"}
    learner: Any = build(get_learner("ensemble:protonet"), problem=problem, **options)
    before = [{name: value.detach().clone() for name, value in member.named_parameters()} for member in learner.members]
    validation = EpisodeSampler(toy.validation, task, 0)
    log = train(learner, toy, TrainingPlan(0, "float32", validation, 4, tmp_path / "checkpoint.pt", {}))
    moved = [
        max(float((value.detach() - old[name]).abs().max()) for name, value in member.named_parameters())
        for member, old in zip(learner.members, before, strict=True)
    ]
    assert moved[0] < 1e-6 < 1e-3 < moved[1]
    assert [row["stage"] for row in log.curve[::10]] == ["train of member 1", "train of member 2"]
    data = learner.stages()[0].data
    assert log.images == 2 * 10 * data.batch * data.task.images
    assert learner.scoring_parameters() == 2 * learner.members[0].scoring_parameters()


def test_it_keeps_the_contract() -> None:
    checks.check_learner(get_learner("ensemble:protonet"), members="learning_rate=1e-3|learning_rate=1e-2")


def test_what_it_declares_is_its_members() -> None:
    assert get_learner("ensemble:tim").transductive is False  # of a class; what is built says it
    assert build(get_learner("ensemble:tim")).transductive is True
    mixed = build(get_learner("ensemble:maml"), members="transductive=false|transductive=true")
    assert mixed.transductive is True
    assert get_learner("ensemble:finetune").kinds == get_learner("finetune").kinds
    assert learner_name(get_learner("ensemble:protonet")) == "ensemble:protonet"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("scales=1|scale=2", "a member has no option 'scales'; did you mean 'scale'?"),
        ("scale=a|scale=2", "a member: --set scale: give a number; found 'a'"),
        ("scale|scale=2", "--set members: 'scale' is not NAME=VALUE, as in learning_rate=1e-3|learning_rate=1e-2"),
        ("scale=2|scale=2.0", "two of its members are the same; leave one of them out"),
    ],
)
def test_mistakes_are_said_in_one_line(members: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        build(get_learner("ensemble:matchingnet"), members=members)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_learner_has_no_ensemble() -> None:
    with pytest.raises(UsageError, match="there is no learner 'protonett'; did you mean 'protonet'"):
        get_learner("ensemble:protonett")
