import numpy as np
import pytest
import torch
import torch.nn.functional as F

from baselines.transductive.transductive_finetune import TransductiveFineTune
from metabench.checks import build
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2], [2, 0, 1, 2]])


def made(**options: object) -> TransductiveFineTune:
    learner = build(TransductiveFineTune, backbone="conv4:4", **options)
    assert isinstance(learner, TransductiveFineTune)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (
        F.normalize(torch.randn(2, size, 5, generator=generator, dtype=torch.float64), dim=2) for size in (4, 9)
    )
    return EpisodeFeatures(support, LABELS, query, 3)


def logits(items: np.ndarray, weights: np.ndarray) -> np.ndarray:
    unit = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return 4 * items @ unit.T


def loss(support: np.ndarray, labels: np.ndarray, query: np.ndarray, weights: np.ndarray) -> float:
    """Equation 8: the cross-entropy of the support plus the mean entropy of the queries."""

    def chances(items: np.ndarray) -> np.ndarray:
        raised = np.exp(logits(items, weights))
        return raised / raised.sum(1, keepdims=True)

    known, asked = chances(support), chances(query)
    return float(-np.log(known[range(4), labels]).mean() - (asked * np.log(asked)).sum(1).mean())


def test_the_first_step_goes_down_the_slope_of_the_loss() -> None:
    """Adam's first step is the learning rate times the sign of each slope, here by finite differences."""
    given = features()
    found = made(scale=4.0, tuning_steps=1, tuning_rate=0.01).classify_features(given)
    for task in range(2):
        support, query, labels = given.support[task].numpy(), given.query[task].numpy(), LABELS[task].numpy()
        start = np.stack([support[labels == way].mean(0) for way in range(3)])
        start /= np.linalg.norm(start, axis=1, keepdims=True)
        slopes = np.zeros_like(start)
        for place in np.ndindex(start.shape):
            nudge = np.zeros_like(start)
            nudge[place] = 1e-6
            slopes[place] = loss(support, labels, query, start + nudge) - loss(support, labels, query, start - nudge)
        np.testing.assert_allclose(found[task], logits(query, start - 0.01 * np.sign(slopes)), atol=1e-4)


def test_before_any_step_it_is_the_cosine_to_the_class_means() -> None:
    given = features()
    centres = torch.stack(
        [torch.stack([given.support[task][LABELS[task] == way].mean(0) for way in range(3)]) for task in range(2)]
    )
    expected = 20 * torch.cosine_similarity(given.query[:, :, None], centres[:, None], dim=3)
    torch.testing.assert_close(made(tuning_steps=0).classify_features(given), expected)


def test_everything_can_be_tuned_and_stays_as_it_was() -> None:
    episodes = random_episodes()
    with torch.no_grad():
        untouched, head = (made(scope=scope, tuning_steps=0).classify(episodes) for scope in ("all", "head"))
        torch.testing.assert_close(untouched, head, rtol=1e-4, atol=1e-4)
        learner = made(scope="all", tuning_rate=1e-3)
        before = {name: value.clone() for name, value in learner.state_dict().items()}
        tuned = learner.classify(episodes)
        torch.testing.assert_close(learner.after_steps(0).classify(episodes), untouched)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    entropies = [
        -(torch.softmax(each, 2) * torch.log_softmax(each, 2)).sum(2).mean().item() for each in (untouched, tuned)
    ]
    assert entropies[1] < entropies[0]


@pytest.mark.parametrize("scope", ["head", "all"])
def test_more_steps_make_the_queries_more_certain(scope: str) -> None:
    learner, episodes = made(scope=scope, tuning_rate=1e-3), random_episodes()
    with torch.no_grad():
        certain = [
            torch.softmax(learner.after_steps(steps).classify(episodes), 2).amax(2).mean().item()
            for steps in (0, 5, 30)
        ]
    assert certain == sorted(certain)
