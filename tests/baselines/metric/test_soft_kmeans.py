from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, skew

from baselines.metric.protonet import ProtoNet
from baselines.metric.soft_kmeans import SoftKMeans, statistics
from episodes import FixedTask
from metabench.checks import build, check_learner
from metabench.learner import EpisodeFeatures, Episodes, Problem
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2], [2, 0, 1, 2]])


def made(**options: object) -> SoftKMeans:
    learner = build(SoftKMeans, backbone="conv4:4", **options).double()
    assert isinstance(learner, SoftKMeans)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    parts = (torch.rand(2, size, 5, generator=generator, dtype=torch.float64) for size in (4, 6, 9))
    support, query, pool = parts
    return EpisodeFeatures(support, LABELS, query, 3, pool)


def moved(given: EpisodeFeatures, task: int, shares: np.ndarray) -> np.ndarray:
    """Equation 4, a class at a time."""
    support, pool = given.support[task].numpy(), given.unlabelled[task].numpy()  # type: ignore[index]
    own = [support[LABELS[task].numpy() == way] for way in range(3)]
    return np.stack([(own[w].sum(0) + shares[:, w] @ pool) / (len(own[w]) + shares[:, w].sum()) for w in range(3)])


def distances(items: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.array([[((item - centre) ** 2).sum() for centre in centres] for item in items])


def starts(given: EpisodeFeatures, task: int) -> np.ndarray:
    return np.stack([given.support[task][LABELS[task] == way].mean(0).numpy() for way in range(3)])


def test_a_cluster_of_distractors_by_a_loop() -> None:
    learner, given = made(guard="cluster"), features()
    torch.nn.init.constant_(learner.log_width, np.log(0.7))
    logits = learner.classify_features(given).detach()
    for task in range(2):
        pool = given.unlabelled[task].numpy()  # type: ignore[index]
        classes = np.exp(-distances(pool, starts(given, task))) / np.sqrt(2 * np.pi)
        others = np.exp(-(pool**2).sum(1) / 0.7**2) / 0.7 / np.sqrt(2 * np.pi)
        shares = classes / (classes.sum(1) + others)[:, None]
        np.testing.assert_allclose(logits[task], -distances(given.query[task].numpy(), moved(given, task, shares)))


def test_masks_by_a_loop() -> None:
    learner, given = made(), features()
    torch.nn.init.normal_(learner.masks[2].weight, generator=torch.Generator().manual_seed(0))
    logits = learner.classify_features(given).detach()
    for task in range(2):
        pool = given.unlabelled[task].numpy()  # type: ignore[index]
        found = distances(pool, starts(given, task))
        shares = np.exp(-found) / np.exp(-found).sum(1, keepdims=True)
        for way in range(3):
            relative = found[:, way] / found[:, way].mean()
            of_class = [
                relative.min(),
                relative.max(),
                relative.var(),
                skew(relative),
                kurtosis(relative, fisher=False),
            ]
            threshold, slope = learner.masks(torch.tensor(of_class, dtype=torch.float64)).tolist()
            shares[:, way] /= 1 + np.exp(slope * (relative - threshold))
        expected = -distances(given.query[task].numpy(), moved(given, task, shares))
        np.testing.assert_allclose(logits[task], expected, rtol=1e-4)


def test_statistics_of_one_item_or_of_equal_ones_are_finite() -> None:
    assert bool(torch.isfinite(statistics(torch.zeros(2, 1, 3))).all())
    assert bool(torch.isfinite(statistics(torch.ones(2, 5, 3))).all())


@pytest.mark.parametrize("guard", ["masked", "cluster"])
def test_it_keeps_the_contract_and_trains_its_guard(guard: str) -> None:
    check_learner(SoftKMeans, guard=guard)
    learner, episodes = made(guard=guard).float().train(), random_episodes()
    learner.loss(replace(episodes, unlabelled=episodes.support)).backward()
    trained = learner.log_width if guard == "cluster" else learner.masks[2].bias
    assert trained.grad is not None
    assert float(trained.grad.abs().sum()) > 0


def test_without_a_pool_it_is_protonet() -> None:
    episodes = random_episodes()
    with torch.no_grad():
        plain = build(ProtoNet, backbone="conv4:4").classify(episodes)
        assert torch.equal(build(SoftKMeans, backbone="conv4:4").classify(episodes), plain)
    assert set(made().idle_options()) == {"refine_steps", "guard"}


def test_it_trains_on_tasks_with_a_pool() -> None:
    task = FixedTask(5, 1, unlabelled=3, distractors=2)
    learner = SoftKMeans(Problem((1, 28, 28), 50, task), SoftKMeans.Options())
    (stage,) = learner.stages()
    assert stage.data == Episodes(FixedTask(20, 1, 5, unlabelled=3, distractors=2))
    assert not learner.idle_options()
