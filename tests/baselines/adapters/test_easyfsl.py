"""easyfsl's classifiers as learners, against the classifiers as easyfsl's users call them, and against equations."""

import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.adapters import easyfsl as adapter
from baselines.heads.prototypes import prototypes
from episodes import DataError
from metabench.checks import build, check_learner
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures
from metabench.registry import get_learner, learner_name

methods = pytest.importorskip("easyfsl.methods", reason="easyfsl is not installed: pip install 'metabench[easyfsl]'")

NAMES = adapter.learner_names()
LABELS = torch.tensor([[0, 0, 1, 1, 2, 2], [2, 0, 1, 1, 0, 2]])


def features(size: int, seed: int = 0) -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(2, 3, size, generator=generator)
    support = centres.gather(1, LABELS[..., None].expand(-1, -1, size)) + 0.1 * torch.rand(
        2, 6, size, generator=generator
    )
    query = centres.repeat(1, 3, 1) + 0.1 * torch.rand(2, 9, size, generator=generator)
    return EpisodeFeatures(support, LABELS, query, 3)


def made(name: str, **options: Any) -> Any:
    return build(get_learner(f"easyfsl:{name}"), backbone="conv4:4", **options).eval()


def test_there_is_a_learner_for_each_public_classifier() -> None:
    public = {each for each in vars(methods).values() if isinstance(each, type)} - {methods.FewShotClassifier}
    assert {get_learner(f"easyfsl:{name}").classifier_class for name in NAMES} == public  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_keeps_the_contract(name: str) -> None:
    kind = get_learner(f"easyfsl:{name}")
    fewer = {"fine_tuning_steps": 5} if "fine_tuning_steps" in kind.given else {}  # type: ignore[attr-defined]
    check_learner(kind, **fewer)


@pytest.mark.parametrize("name", NAMES)
def test_each_predicts_as_the_classifier_does(name: str) -> None:
    """Task by task, from features in the place of images, as easyfsl's users of extracted features call it."""
    learner, given = made(name), features(4)
    with torch.no_grad():
        found = learner.classify_features(given)
    for number in range(2):
        support, labels, query = given.support[number], given.support_labels[number], given.query[number]
        if name == "matching_networks":  # which reads in an order
            order = (support @ torch.linspace(1, 2, 4)).argsort()
            support, labels = support[order], labels[order]
        if name == "relation_networks":
            support, query = support[:, :, None, None], query[:, :, None, None]
        classifier = learner.classifier_class(**extras(learner), **given_options(learner))
        classifier.load_state_dict(learner.classifier.state_dict())
        with torch.no_grad():
            classifier.eval().process_support_set(support, labels)
            expected = classifier(query)
        if name in ("laplacian_shot", "pt_map"):
            expected = (expected + 1e-12).log()
        torch.testing.assert_close(found[number], expected, rtol=1e-4, atol=1e-5)


def extras(learner: Any) -> dict[str, Any]:
    from easyfsl.modules import MultiHeadAttention

    if learner.method == "feat":
        return {"attention_module": MultiHeadAttention(1, 4, 4, 4)}
    return {"feature_dimension": 4} if learner.method in ("matching_networks", "relation_networks") else {}


def given_options(learner: Any) -> dict[str, Any]:
    return {name: getattr(learner.options, name) for name in learner.given}


def test_prototypical_networks_by_hand() -> None:
    """Negative Euclidean distances, not squared."""
    learner, given = made("prototypical_networks"), features(4)
    logits = learner.classify_features(given)
    for number in range(2):
        means = torch.stack([given.support[number][LABELS[number] == way].mean(0) for way in range(3)])
        expected = -(given.query[number][:, None] - means).square().sum(2).sqrt()
        torch.testing.assert_close(logits[number], expected, rtol=1e-5, atol=1e-5)


def test_shares_become_logits_that_softmax_gives_back() -> None:
    learner, given = made("laplacian_shot"), features(4)
    with torch.no_grad():
        logits = learner.classify_features(given)
    torch.testing.assert_close(logits.exp().sum(2), torch.ones(2, 9), rtol=1e-4, atol=1e-4)


def test_what_each_declares_and_sits_on() -> None:
    transductive = {name for name in NAMES if get_learner(f"easyfsl:{name}").transductive}
    assert transductive == {"bd_cspn", "laplacian_shot", "pt_map", "tim", "transductive_finetuning"}
    episodic = {name for name in NAMES if issubclass(get_learner(f"easyfsl:{name}"), adapter.Episodic)}
    assert episodic == {"feat", "matching_networks", "prototypical_networks", "relation_networks"}
    assert all(get_learner(f"easyfsl:{name}").source.wraps == "easyfsl (MIT)" for name in NAMES)
    assert all(get_learner(f"easyfsl:{name}").source.papers for name in NAMES)


def test_transductive_ones_truly_look_at_other_queries() -> None:
    given = features(4)
    alone = EpisodeFeatures(given.support, given.support_labels, given.query[:, :1], 3)
    for name in ("bd_cspn", "pt_map", "tim"):
        learner = made(name, **({"fine_tuning_lr": 0.1} if name == "tim" else {}))
        together = learner.classify_features(given)[:, :1].detach()
        assert not torch.allclose(learner.classify_features(alone).detach(), together, atol=1e-4), name


def test_its_options_are_the_constructors() -> None:
    own = {item.name: item.default for item in fields(get_learner("easyfsl:transductive_finetuning").Options)}
    assert own["fine_tuning_steps"] == 25
    assert own["fine_tuning_lr"] == 5e-5
    assert own["transform"] == "l2n"
    assert "use_softmax" not in own
    learner = made("finetune", fine_tuning_steps=3)
    assert learner.classifier.fine_tuning_steps == 3


def test_relation_networks_train_by_squared_error() -> None:
    from metabench.samples import random_episodes

    learner, episodes = made("relation_networks"), random_episodes()
    with torch.no_grad():
        scores = learner.classify(episodes)
        expected = (scores - F.one_hot(episodes.query_labels, 3)).square().mean()
        torch.testing.assert_close(learner.loss(episodes), expected)


class Own(methods.FewShotClassifier):  # type: ignore[misc]
    """A user's: the cosine to the class means, by a factor."""

    def __init__(self, *args: Any, factor: float = 3.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factor = factor

    def forward(self, query_images: Tensor) -> Tensor:
        scores: Tensor = self.factor * self.cosine_distance_to_prototypes(self.compute_features(query_images))
        return scores

    @staticmethod
    def is_transductive() -> bool:
        return False


class Demanding(Own):
    """It needs what nobody gives."""

    def __init__(self, *args: Any, teacher: nn.Module, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(sys.modules, "own_classifiers", sys.modules[__name__])
    yield "easyfsl:own_classifiers"
    adapter.get_learner.cache_clear()


def test_a_class_of_the_users_is_trained_on_episodes(own: str) -> None:
    kind = get_learner(f"{own}:Own")
    assert issubclass(kind, adapter.Episodic)
    check_learner(kind)
    learner = build(kind, backbone="conv4:4", factor=2.0)
    given = features(4)
    means = prototypes(given.support, LABELS, 3)
    expected = 2 * F.normalize(given.query, dim=2) @ F.normalize(means, dim=2).transpose(1, 2)
    torch.testing.assert_close(learner.classify_features(given), expected)  # type: ignore[attr-defined]


def test_what_cannot_be_a_learner_is_refused_in_a_line(own: str) -> None:
    for name, message in {
        "easyfsl:protonet": r"^there is no learner 'easyfsl:protonet'; there are bd_cspn, feat, finetune, .* after",
        f"{own}:Demanding": r"^easyfsl's classifier Demanding needs 'teacher', which a learner cannot know",
        f"{own}:LABELS": r"which is not a subclass of easyfsl's FewShotClassifier$",
    }.items():
        with pytest.raises(UsageError, match=message):
            get_learner(name)


def test_a_class_has_its_name_and_a_name_one_class() -> None:
    assert learner_name(get_learner("easyfsl:tim")) == "easyfsl:tim"
    assert get_learner("easyfsl:tim") is get_learner("easyfsl:tim")


def test_without_the_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "easyfsl.methods", None)
    message = r'^learner \'easyfsl:prototypical\' needs the package easyfsl.*; pip install "metabench\[easyfsl\]"$'
    with pytest.raises(DataError, match=message):
        get_learner("easyfsl:prototypical")
