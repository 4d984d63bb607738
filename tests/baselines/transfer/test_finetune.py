from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from baselines.heads.logistic import logistic_head
from baselines.transfer.finetune import FineTune, ridge_head
from metabench.checks import build
from metabench.learner import LabelledBatch
from metabench.samples import random_episodes


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


def test_the_logistic_head_is_scikit_learns() -> None:
    episodes = random_episodes(2)
    learner = build(FineTune, head="logistic", logistic=0.05)
    assert isinstance(learner, FineTune)
    logits = learner.classify(episodes)
    for task in range(2):
        support, query = (learner.embed(part[task]).detach().numpy() for part in (episodes.support, episodes.query))
        labels = episodes.support_labels[task].numpy()
        fitted = LogisticRegression(C=1 / (0.05 * len(labels)), max_iter=1000).fit(support, labels)
        np.testing.assert_allclose(logits[task].detach(), fitted.predict_log_proba(query), atol=1e-3)


def test_one_shot_of_many_classes_goes_without_a_warning() -> None:
    """scikit-learn's is an error here, as every warning is in tests."""
    features = torch.eye(30)[None]
    logits = logistic_head(features, torch.arange(30)[None], features, 30, 0.01, "a test")
    assert logits.argmax(2).tolist() == [list(range(30))]


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


def test_scope_all_changes_the_networks_weights_by_gradient_descent() -> None:
    """One step of it equals torch.optim.SGD's on a copy."""
    episodes = random_episodes(1)
    learner = build(FineTune, scope="all", tuning_steps=1, tuning_rate=0.5)
    assert isinstance(learner, FineTune)
    predictions = learner.classify(episodes).detach()
    copy = build(FineTune, scope="all")
    assert isinstance(copy, FineTune)
    support, labels, query = episodes.support[0], episodes.support_labels[0], episodes.query[0]
    head = [part[0].detach().requires_grad_() for part in ridge_head(copy.embed(support)[None], labels[None], 3, 0.1)]
    optimizer = torch.optim.SGD([*copy.backbone.parameters(), *head], lr=0.5)
    F.cross_entropy(10 * (copy.embed(support) @ head[0] + head[1]), labels).backward()
    optimizer.step()
    expected = 10 * (copy.embed(query) @ head[0] + head[1])
    torch.testing.assert_close(predictions[0], expected.detach(), rtol=1e-3, atol=1e-3)


def test_scope_all_with_adam_and_parts_of_the_support_is_torch_optims() -> None:
    """Each support item comes once before any comes again; Adam of torch on a copy takes the same steps."""
    episodes = random_episodes(1)
    learner = build(FineTune, scope="all", tuning_steps=3, tuning_rate=1e-3, tuning_optimizer="adam", tuning_batch=4)
    assert isinstance(learner, FineTune)
    predictions = learner.classify(episodes).detach()
    rows = list(learner._tuning_batches(6))
    assert sorted(torch.cat([rows[0], rows[1][:2]]).tolist()) == list(range(6))  # type: ignore[list-item]
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


def test_pretraining_loss_is_cross_entropy_over_training_classes() -> None:
    learner = build(FineTune)
    assert isinstance(learner, FineTune)
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 5, 3, 3]))
    logits = learner.head(learner.backbone(batch.images))
    assert logits.shape == (4, 6)
    expected = -torch.log_softmax(logits, 1)[range(4), batch.labels].mean()
    torch.testing.assert_close(learner.loss(batch), expected)
