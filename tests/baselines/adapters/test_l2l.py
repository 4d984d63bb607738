"""learn2learn's algorithms as learners, against ours, and against learn2learn as its users call it."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import metabench
from baselines.adapters import l2l
from baselines.gradient.maml import MAML
from episodes import EpisodeBatch
from metabench.checks import build, check_learner
from metabench.errors import UsageError
from metabench.learner import Learner
from metabench.registry import get_learner, learner_name
from tests.baselines.gradient.double_precision import double_episodes

pytestmark = pytest.mark.usefixtures("learn2learn")


def made(kind: type[Learner], **options: Any) -> Any:
    return build(kind, backbone="conv4:4", inner_steps=2, inner_learning_rate=0.3, **options).double()


def gradients(learner: Any, episodes: EpisodeBatch, parameters: list[Tensor]) -> list[Tensor]:
    total = sum(learner.loss(episodes))
    return list(torch.autograd.grad(total, parameters))


@pytest.mark.slow
@pytest.mark.parametrize("name", l2l.learner_names())
def test_each_keeps_the_contract(name: str) -> None:
    check_learner(get_learner(f"l2l:{name}"), inner_steps=1, test_inner_steps=2)


@pytest.mark.parametrize("transductive", [False, True])
@pytest.mark.parametrize("first_order", [False, True])
def test_its_maml_is_ours(first_order: bool, transductive: bool) -> None:
    ours = made(MAML, first_order=first_order, transductive=transductive)
    theirs = made(l2l.L2LMAML, first_order=first_order, transductive=transductive)
    theirs.network.module.load_state_dict(ours.network.state_dict())
    episodes = double_episodes()
    expected = gradients(ours, episodes, list(ours.network.parameters()))
    found = gradients(theirs, episodes, list(theirs.network.parameters()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(theirs.classify(episodes), ours.classify(episodes))


def test_meta_sgd_at_first_is_maml_and_then_has_a_rate_for_each_weight() -> None:
    maml, learner, episodes = made(l2l.L2LMAML), made(l2l.L2LMetaSGD), double_episodes()
    learner.network.module.load_state_dict(maml.network.module.state_dict())
    torch.testing.assert_close(learner.classify(episodes), maml.classify(episodes))
    reached = gradients(learner, episodes, list(learner.network.lrs))
    assert all(rate.abs().sum() > 0 for rate in reached)
    with torch.no_grad():
        for rate in learner.network.lrs:
            rate.zero_()
    support, query = (part.flatten(0, 1).view(2, -1, 1, 28, 28) for part in (episodes.support, episodes.query))
    before = learner.network.module(torch.cat([support[0], query[0]]), len(support[0]))[len(support[0]) :]
    torch.testing.assert_close(learner.classify(episodes)[0], before.detach())


@pytest.mark.parametrize("transform", ["kronecker", "meta_curvature", "scale"])
@pytest.mark.parametrize("adapt_transform", [False, True])
def test_gbml_is_as_its_users_call_it(transform: str, adapt_transform: bool, learn2learn: Any) -> None:
    learner = made(l2l.L2LGBML, transform=transform, adapt_transform=adapt_transform, transductive=True)
    episodes, parameters = double_episodes(), list(learner.parameters())
    found = gradients(learner, episodes, parameters)
    losses = []
    for number in range(2):
        clone = learner.network.clone()
        for _ in range(2):
            clone.adapt(F.cross_entropy(clone(episodes.support[number]), episodes.support_labels[number]))
        losses.append(F.cross_entropy(clone(episodes.query[number]), episodes.query_labels[number]) / 2)
    expected = torch.autograd.grad(sum(losses), parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_gbml_that_scales_by_1_is_maml() -> None:
    maml, learner, episodes = made(l2l.L2LMAML), made(l2l.L2LGBML, transform="scale"), double_episodes()
    learner.network.module.load_state_dict(maml.network.module.state_dict())
    torch.testing.assert_close(learner.classify(episodes), maml.classify(episodes))


def test_scoring_leaves_no_graph_and_no_gradient_behind() -> None:
    learner, episodes = made(l2l.L2LMetaSGD), double_episodes()
    (clone, _), *_ = learner.adapt(episodes.support, episodes.support_labels, 3)
    assert not any(parameter.requires_grad for parameter in clone.module.parameters())
    assert all(parameter.grad is None for parameter in learner.parameters())


def test_a_name_that_is_none_is_answered_by_those_that_are() -> None:
    with pytest.raises(
        UsageError, match=r"^there is no learner 'l2l:mamml'; there are l2l:gbml, l2l:maml, l2l:metasgd$"
    ):
        get_learner("l2l:mamml")


def test_a_class_has_its_name() -> None:
    assert learner_name(l2l.L2LMetaSGD) == "l2l:metasgd"


def test_the_record_has_the_version_of_the_package(tmp_path: Path) -> None:
    options = {"backbone": "conv4:4", "steps": 1}
    record = metabench.run(learner="l2l:maml", options=options, episodes=2, validation_episodes=2, output=tmp_path)
    assert record.environment["packages"]["learn2learn"] == version("learn2learn")


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "learn2learn", None)
    with pytest.raises(
        UsageError, match=r"needs the package learn2learn .*; pip install gym requests, then pip install"
    ):
        build(l2l.L2LMAML)
