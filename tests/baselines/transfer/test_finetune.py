import re
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.func import functional_call

from baselines.stacked.stack import Stack, _SideBySide
from baselines.transfer import finetune
from baselines.transfer._tuning import crop_and_flip, support_batches, with_lora
from baselines.transfer.finetune import FineTune, ridge_head
from episodes.errors import DataError
from metabench.checks import build
from metabench.errors import UsageError
from metabench.learner import LabelledBatch, LabelledEpisodeBatch
from metabench.samples import random_episodes, text_problem

PARTS = ("support", "support_labels", "query", "query_labels")


def made(**options: object) -> FineTune:
    learner = build(FineTune, **options)
    assert isinstance(learner, FineTune)
    return learner


def settled(learner: FineTune) -> FineTune:
    """With statistics of normalisation as training leaves them, so that features differ; in double precision."""
    with torch.no_grad():
        for _ in range(20):
            learner.train().backbone(random_episodes(8).support.flatten(0, 1))
    return learner.eval().double()


def test_embedding_has_unit_length() -> None:
    learner = build(FineTune)
    assert isinstance(learner, FineTune)
    lengths = learner.embed(random_episodes().query[0]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_logits_are_the_ridge_heads_scores_times_their_scale() -> None:
    episodes = random_episodes(1)
    learner = build(FineTune, logit_scale=7.0)
    assert isinstance(learner, FineTune)
    weight, bias = ridge_head(learner.embed(episodes.support[0])[None], episodes.support_labels, 3, 0.1)
    scores = learner.embed(episodes.query[0]) @ weight + bias
    torch.testing.assert_close(learner.classify(episodes), 7 * scores, rtol=1e-4, atol=1e-4)


def features_of(learner: FineTune, episodes: LabelledEpisodeBatch, task: int) -> tuple[Tensor, Tensor]:
    """Of support and query."""
    return learner.embed(episodes.support[task]).detach(), learner.embed(episodes.query[task]).detach()


def test_the_logistic_head_is_scikit_learns() -> None:
    episodes = random_episodes(2)
    learner = made(head="logistic", logistic=0.05)
    logits = learner.classify(episodes)
    for task in range(2):
        support, query = features_of(learner, episodes, task)
        labels = episodes.support_labels[task]
        fitted = LogisticRegression(C=1 / (0.05 * len(labels)), max_iter=1000, tol=1e-8).fit(support, labels)
        found = logits[task].detach().softmax(1)
        np.testing.assert_allclose(found, fitted.predict_proba(query), atol=1e-4)


def test_the_discriminant_is_scikit_learns() -> None:
    episodes = random_episodes(2)
    learner = made(head="lda", shrinkage=0.3)
    logits = learner.classify(episodes)
    for task in range(2):
        support, query = features_of(learner, episodes, task)
        fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.3).fit(support, episodes.support_labels[task])
        found = logits[task].detach().softmax(1)
        np.testing.assert_allclose(found, fitted.predict_proba(query), rtol=1e-2, atol=1e-3)


def test_scope_all_starts_at_the_ridge_head_and_lowers_the_support_loss() -> None:
    episodes = random_episodes(1)
    same = build(FineTune, scope="all", tuning_steps=0)
    torch.testing.assert_close(same.classify(episodes), build(FineTune).classify(episodes), rtol=1e-4, atol=1e-5)
    losses = []
    for steps in (0, 5, 20):
        learner = build(FineTune, scope="all", tuning_steps=steps, tuning_rate=1e-4)
        logits = learner.classify(replace(episodes, query=episodes.support))
        losses.append(float(F.cross_entropy(logits[0], episodes.support_labels[0])))
    assert losses[0] > losses[1] > losses[2]


CHANGED = {
    "all": lambda network: list(network.parameters()),
    "last": lambda network: list(network[12:].parameters()),  # its fourth convolution, and what normalises it
    "bitfit": lambda network: [value for name, value in network.named_parameters() if "bias" in name],
}


@pytest.mark.parametrize("head", ["ridge", "logistic"])
@pytest.mark.parametrize("scope", CHANGED)
def test_a_scope_changes_its_part_of_the_network_by_gradient_descent(scope: str, head: str) -> None:
    """From any head, two steps of it equal torch.optim.SGD's on a copy of which the rest is frozen."""
    episodes = random_episodes(1)
    learner = made(scope=scope, head=head, tuning_steps=2, tuning_rate=0.02)
    predictions = learner.classify(episodes).detach()
    copy = made(scope=scope, head=head).requires_grad_(False)
    changed = [each.requires_grad_() for each in CHANGED[scope](copy.backbone)]
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]
    start = copy._head(copy.embed(support)[None], labels[None], 3)
    weight, bias = (part[0].detach().requires_grad_() for part in start)
    optimizer = torch.optim.SGD([*changed, weight, bias], lr=0.02)
    scale = 10 if head == "ridge" else 1
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(scale * (copy.embed(support) @ weight + bias), labels).backward()
        optimizer.step()
    expected = scale * (copy.embed(query) @ weight + bias).detach()
    torch.testing.assert_close(predictions[0], expected, rtol=1e-3, atol=1e-3)
    before = learner.after_steps(0)
    assert before
    assert not torch.allclose(predictions, before.classify(episodes).detach(), rtol=1e-2, atol=1e-2)


def test_scope_all_with_adam_and_parts_of_the_support_is_torch_optims() -> None:
    """Each support item comes once before any comes again; Adam of torch on a copy takes the same steps."""
    episodes = random_episodes(1)
    learner = build(FineTune, scope="all", tuning_steps=3, tuning_rate=1e-3, tuning_optimizer="adam", tuning_batch=4)
    assert isinstance(learner, FineTune)
    predictions = learner.classify(episodes).detach()
    rows = list(support_batches(6, 4, 3))
    assert sorted(torch.cat([rows[0], rows[1][:2]]).tolist()) == list(range(6))
    copy = build(FineTune, scope="all")
    assert isinstance(copy, FineTune)
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]
    head = [part[0].detach().requires_grad_() for part in ridge_head(copy.embed(support)[None], labels[None], 3, 0.1)]
    optimizer = torch.optim.Adam([*copy.backbone.parameters(), *head], lr=1e-3)
    for few in rows:
        optimizer.zero_grad()
        F.cross_entropy(10 * (copy.embed(support[few]) @ head[0] + head[1]), labels[few]).backward()
        optimizer.step()
    expected = 10 * (copy.embed(query) @ head[0] + head[1])
    torch.testing.assert_close(predictions[0], expected.detach(), rtol=1e-3, atol=1e-3)


def test_after_no_steps_the_answers_are_the_heads_before_tuning() -> None:
    episodes = random_episodes(2)
    tuned, frozen = build(FineTune, scope="all", tuning_rate=0.5), build(FineTune)
    before = tuned.after_steps(0)
    assert before
    torch.testing.assert_close(before.classify(episodes), frozen.classify(episodes), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(tuned.classify(episodes), before.classify(episodes), rtol=0.1)
    assert frozen.after_steps(1) is None


def after_a_step_of_sgd(
    episodes: LabelledEpisodeBatch, groups: Callable[[Any], list[dict[str, Any]]], rate: float, seen: Tensor
) -> Tensor:
    """Logits of one task's queries after a step of torch.optim.SGD on what it sees, from the ridge head."""
    copy = made(scope="all")
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]
    head = [part[0].detach().requires_grad_() for part in ridge_head(copy.embed(support)[None], labels[None], 3, 0.1)]
    optimizer = torch.optim.SGD([{"params": head}, *groups(copy.backbone)], lr=rate)
    wanted = labels.repeat(len(seen) // len(support))
    F.cross_entropy(10 * (copy.embed(seen) @ head[0] + head[1]), wanted).backward()
    optimizer.step()
    return (10 * (copy.embed(query) @ head[0] + head[1])).detach()


def test_rates_fall_from_layer_to_layer() -> None:
    """One step equals torch.optim.SGD's with the rates by hand."""
    episodes = random_episodes(1)
    predictions = made(scope="all", tuning_steps=1, tuning_rate=0.5, layer_decay=0.3).classify(episodes).detach()

    def groups(backbone: Any) -> list[dict[str, Any]]:
        blocks = [backbone[first : first + 4] for first in (12, 8, 4, 0)]
        return [{"params": block.parameters(), "lr": 0.5 * 0.3**depth} for depth, block in enumerate(blocks, 1)]

    expected = after_a_step_of_sgd(episodes, groups, 0.5, episodes.support[0])
    torch.testing.assert_close(predictions[0], expected, rtol=1e-3, atol=1e-3)


def test_tuning_stops_by_the_loss_of_the_support_alone() -> None:
    """Before the first step that begins under it, each task for itself."""
    episodes = random_episodes(2)
    options = {"scope": "all", "tuning_rate": 2e-4}
    on_support = replace(episodes, query=episodes.support)
    losses = []  # before each step, of each task
    for steps in range(5):
        logits = made(**options, tuning_steps=steps).classify(on_support).detach()
        losses.append([float(F.cross_entropy(*task)) for task in zip(logits, episodes.support_labels, strict=True)])
    bound = (losses[2][0] + losses[3][0]) / 2
    stopped = [next((step for step in range(4) if losses[step][task] < bound), 4) for task in range(2)]
    assert stopped[0] == 3
    found = made(**options, tuning_steps=4, tuning_stop=bound).classify(episodes).detach()
    for task in range(2):
        expected = made(**options, tuning_steps=stopped[task]).classify(episodes).detach()
        torch.testing.assert_close(found[task], expected[task])


def test_steps_see_cropped_and_flipped_copies_in_place_of_the_support() -> None:
    """Other ones in each step, alike for all items: one step of torch.optim.SGD's on them is the same."""
    episodes = random_episodes(1)
    predictions = made(scope="all", tuning_steps=1, tuning_rate=0.1, augment=3).classify(episodes).detach()
    copies = crop_and_flip(episodes.support[0], 3, torch.Generator().manual_seed(0))
    expected = after_a_step_of_sgd(episodes, lambda backbone: [{"params": backbone.parameters()}], 0.1, copies)
    torch.testing.assert_close(predictions[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"scope": "all", "tuning_batch": 4}, 0.02),
        ({"scope": "all", "tuning_optimizer": "adam", "layer_decay": 0.7}, 1e-3),
        ({"scope": "all", "augment": 2, "tuning_stop": 1.2}, 0.02),
        ({"scope": "last", "head": "lda"}, 0.02),
        ({"scope": "bitfit", "head": "logistic"}, 0.02),
        ({"scope": "all", "backbone": "resnet12:4"}, 0.02),
        ({"scope": "all", "head": "prototypes", "augment": 1}, 0.02),
    ],
)
def test_tasks_that_are_tuned_together_answer_as_each_does_alone(
    options: dict[str, object], step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone by the network as it is, with statistics that training leaves; beside other tasks, too."""
    learner = settled(made(**{"backbone": "conv4:8", **options}, tuning_steps=3, tuning_rate=step))
    episodes = random_episodes(4)
    tasks = [replace(episodes, **{name: getattr(episodes, name)[task][None] for name in PARTS}) for task in range(4)]
    tasks = [replace(each, support=each.support.double(), query=each.query.double()) for each in tasks]
    few = replace(tasks[0], **{name: torch.cat([getattr(tasks[n], name) for n in (2, 0)]) for name in PARTS})
    together = learner.classify(few)
    assert Stack(learner.backbone, few.support.shape[2:]).side_by_side
    other = replace(few, **{name: torch.cat([getattr(tasks[n], name) for n in (1, 3, 0)]) for name in PARTS})
    torch.testing.assert_close(learner.classify(other)[2], together[1], rtol=1e-7, atol=1e-7)
    monkeypatch.setattr(_SideBySide, "of", lambda *_: None)
    alone = deepcopy(learner)
    for task, found in zip((2, 0), together, strict=True):
        torch.testing.assert_close(found, alone.classify(tasks[task])[0], rtol=1e-7, atol=1e-7)


def test_a_network_is_looked_at_once_and_again_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    stacked: list[object] = []
    monkeypatch.setattr(finetune, "Stack", lambda *words: stacked.append(words) or Stack(*words))
    learner, episodes = made(scope="all", backbone="conv4:8", tuning_steps=1).eval(), random_episodes(2)
    first = learner.classify(episodes)
    assert torch.equal(learner.classify(episodes), first)
    assert len(stacked) == 1
    changed = deepcopy(learner)
    with torch.no_grad():
        next(changed.backbone.parameters()).mul_(-0.5)
    other = changed.classify(episodes)
    assert not torch.allclose(other, first)
    assert len(stacked) == 2
    learner.load_state_dict(changed.state_dict())
    assert torch.equal(learner.classify(episodes), other)
    assert len(stacked) == 3


def test_means_of_the_support_classify_its_copies_in_each_step() -> None:
    """One step of gradient descent on the loss by hand, which reaches the network by way of the means too."""
    episodes = random_episodes(1)
    episodes = replace(episodes, support=episodes.support.double(), query=episodes.query.double())
    options = {"scope": "all", "head": "prototypes", "augment": 2, "logit_scale": 5.0, "backbone": "conv4:8"}
    learner = settled(made(**options, tuning_steps=1, tuning_rate=0.05))
    predictions = learner.classify(episodes).detach()
    copy = settled(made(**options))
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]

    def logits(images: Tensor) -> Tensor:
        features, found = copy.embed(support), []
        for item in copy.embed(images):
            means = [features[labels == label].mean(0) for label in range(3)]
            found.append(torch.stack([5 * item @ mean / (item.norm() * mean.norm()) for mean in means]))
        return torch.stack(found)

    copies = logits(crop_and_flip(support, 2, torch.Generator().manual_seed(0)))
    loss = torch.stack([-each.softmax(0)[label].log() for each, label in zip(copies, labels.repeat(2), strict=True)])
    loss.mean().backward()
    with torch.no_grad():
        for value in copy.backbone.parameters():
            value -= 0.05 * value.grad
        torch.testing.assert_close(predictions[0], logits(query), rtol=1e-7, atol=1e-7)
    before = learner.after_steps(0)
    assert before
    frozen = settled(made(head="prototypes", logit_scale=5.0, backbone="conv4:8"))
    torch.testing.assert_close(before.classify(episodes), frozen.classify(episodes), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(predictions, frozen.classify(episodes), rtol=1e-4, atol=1e-4)


def test_tuning_leaves_no_trace() -> None:
    episodes = random_episodes(1, shape=text_problem().image_shape)
    for scope in ("last", "all", "bitfit", "lora"):
        learner = made(problem=text_problem(), backbone="bert-tiny", scope=scope, tuning_steps=2, tuning_rate=0.1)
        before = {name: value.clone() for name, value in learner.state_dict().items()}
        modules = [(name, type(module)) for name, module in learner.named_modules()]
        drawn = torch.get_rng_state()
        with torch.no_grad():
            assert torch.equal(learner.classify(episodes), learner.classify(episodes))
        assert torch.equal(torch.get_rng_state(), drawn)
        assert modules == [(name, type(module)) for name, module in learner.named_modules()]
        assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
        assert all(value.requires_grad and value.grad is None for value in learner.parameters())


def test_lora_tunes_products_of_two_factors_beside_queries_and_values() -> None:
    """Two steps of torch.optim.SGD on the factors, with their product added to the weights, are the same."""
    problem = text_problem()
    episodes = random_episodes(1, shape=problem.image_shape)
    options = {"problem": problem, "backbone": "bert-tiny", "scope": "lora", "lora_rank": 3, "tuning_optimizer": "sgd"}
    predictions = made(**options, tuning_steps=2, tuning_rate=0.3).classify(episodes).detach()
    copy = made(**options)
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]
    start = ridge_head(copy.embed(support)[None], labels[None], 3, 0.1)
    weight, bias = (part[0].detach().requires_grad_() for part in start)
    drawn = dict(with_lora(copy.backbone, 3, "bert-tiny").named_parameters())
    places = [f"0.model.encoder.layer.{n}.attention.self.{part}" for n in range(2) for part in ("query", "value")]
    downs = [drawn[f"{place}.lora_A.default.weight"].detach().clone().requires_grad_() for place in places]
    ups = [torch.zeros(128, 3, requires_grad=True) for _ in places]

    def logits(texts: Tensor) -> Tensor:
        merged = {
            f"{place}.weight": copy.backbone.get_parameter(f"{place}.weight").detach() + up @ down
            for place, up, down in zip(places, ups, downs, strict=True)
        }
        return 10 * (F.normalize(functional_call(copy.backbone, merged, texts), dim=1) @ weight + bias)

    optimizer = torch.optim.SGD([*downs, *ups, weight, bias], lr=0.3)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(logits(support), labels).backward()
        optimizer.step()
    assert all(up.abs().max() > 0 for up in ups)
    torch.testing.assert_close(predictions[0], logits(query).detach(), rtol=1e-3, atol=1e-3)


def test_a_scope_without_anything_to_tune_is_refused() -> None:
    with pytest.raises(UsageError, match="scope=lora adapts the attention of a transformer, and backbone 'conv4' has"):
        made(scope="lora")


def test_texts_are_not_cropped() -> None:
    with pytest.raises(UsageError, match="augment crops and flips images, and the items here are texts"):
        made(problem=text_problem(), backbone="bert-tiny", scope="all", augment=1)


def test_without_peft_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(DataError, match=re.escape('scope=lora needs the package peft; pip install "metabench[lora]"')):
        made(problem=text_problem(), backbone="bert-tiny", scope="lora")


TUNING = ("tuning_steps", "tuning_rate", "tuning_optimizer", "tuning_batch", "tuning_stop", "layer_decay", "augment")


@pytest.mark.parametrize(
    ("options", "idle"),
    [
        ({}, {*TUNING, "lora_rank", "logistic", "shrinkage"}),
        ({"head": "prototypes"}, {*TUNING, "lora_rank", "logistic", "ridge", "shrinkage"}),
        ({"head": "lda"}, {*TUNING, "lora_rank", "logistic", "ridge", "logit_scale"}),
        ({"head": "logistic", "scope": "all"}, {"lora_rank", "shrinkage", "ridge", "logit_scale"}),
        ({"scope": "lora", "backbone": "bert-tiny", "problem": text_problem()}, {"logistic", "shrinkage"}),
    ],
)
def test_options_that_change_nothing(options: dict[str, object], idle: set[str]) -> None:
    assert set(made(**options).idle_options()) == idle


def test_pretraining_loss_is_cross_entropy_over_training_classes() -> None:
    learner = build(FineTune)
    assert isinstance(learner, FineTune)
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 5, 3, 3]))
    logits = learner.head(learner.backbone(batch.images))
    assert logits.shape == (4, 6)
    expected = -torch.log_softmax(logits, 1)[range(4), batch.labels].mean()
    torch.testing.assert_close(learner.loss(batch), expected)
