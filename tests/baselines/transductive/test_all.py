"""What every transductive learner keeps to, whatever a task is like."""

import pytest
import torch
import torch.nn.functional as F

from baselines.heads.prototypes import prototypes, squared_distances
from metabench.checks import build, check_transduction
from metabench.learner import EmbeddingLearner, EpisodeFeatures
from metabench.registry import get_learner
from metabench.samples import random_episodes

NAMES = ["alpha_tim", "bd_cspn", "laplacianshot", "pt_map", "tim", "transductive_finetune"]


def made(name: str) -> EmbeddingLearner:
    learner = build(get_learner(name), backbone="conv4:4")
    assert isinstance(learner, EmbeddingLearner)
    return learner


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("name", NAMES)
def test_it_truly_looks_at_other_queries(name: str) -> None:
    learner = made(name)
    assert learner.transductive
    with pytest.raises(AssertionError, match="depends on the other queries"):
        check_transduction(learner, random_episodes().without_query_labels(), 1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "features",
    [
        EpisodeFeatures(unit(2, 2, 4), torch.tensor([[0, 1], [1, 0]]), unit(2, 1, 4, seed=1), 2),
        EpisodeFeatures(unit(1, 7, 4), torch.tensor([[0, 1, 1, 2, 2, 2, 2]]), unit(1, 5, 4, seed=1), 3),
        EpisodeFeatures(unit(1, 30, 4), torch.arange(30)[None], unit(1, 7, 4, seed=1), 30),
        EpisodeFeatures(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), torch.zeros(1, 6, 4), 3),
        EpisodeFeatures(unit(1, 1, 4).expand(1, 4, 4), torch.tensor([[0, 1, 1, 0]]), unit(1, 1, 4).expand(1, 9, 4), 2),
    ],
    ids=["one query", "uneven shots", "more ways than queries", "zeros", "all alike"],
)
def test_small_and_degenerate_tasks_have_finite_logits(name: str, features: EpisodeFeatures) -> None:
    with torch.no_grad():
        logits = made(name).classify_features(features)
    assert logits.shape == (*features.query.shape[:2], features.ways)
    assert bool(torch.isfinite(logits).all())


def test_one_query_is_of_the_nearest_class() -> None:
    """Where the queries say nothing about each other."""
    features = EpisodeFeatures(torch.eye(3)[None], torch.tensor([[0, 1, 2]]), torch.tensor([[[0.1, 0.9, 0.2]]]), 3)
    for name in ("alpha_tim", "pt_map", "tim", "transductive_finetune"):
        with torch.no_grad():
            assert made(name).classify_features(features).argmax(2).item() == 1, name


@pytest.mark.parametrize("name", NAMES)
def test_queries_correct_supports_that_are_not_typical(name: str) -> None:
    """Five clusters in 16 dimensions, one example of each far from its middle: class means miss what clusters show."""
    random, labels = torch.Generator().manual_seed(0), torch.arange(5).expand(40, -1)
    middles = torch.randn(40, 5, 16, generator=random)
    support = F.normalize(middles + 0.9 * torch.randn(40, 5, 16, generator=random), dim=2)
    truth = labels.repeat_interleave(15, dim=1)
    query = F.normalize(middles.repeat_interleave(15, dim=1) + 0.45 * torch.randn(40, 75, 16, generator=random), dim=2)
    features = EpisodeFeatures(support, labels, query, 5)
    alone = -squared_distances(query, prototypes(support, labels, 5))
    with torch.no_grad():
        together = made(name).classify_features(features)
    right, right_alone = ((logits.argmax(2) == truth).float().mean().item() for logits in (together, alone))
    assert right > right_alone + (0.005 if name == "transductive_finetune" else 0.02)
