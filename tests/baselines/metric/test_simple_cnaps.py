import numpy as np
import torch

from baselines.metric.simple_cnaps import SimpleCNAPS
from metabench.checks import build
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: object) -> SimpleCNAPS:
    learner = build(SimpleCNAPS, backbone="conv4:4", **options)
    assert isinstance(learner, SimpleCNAPS)
    return learner


def test_logits_are_minus_half_of_the_squared_distance_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 5, generator=generator, dtype=torch.float64) for size in (7, 4))
    logits = made(ridge=0.5).classify_features(EpisodeFeatures(support, LABELS, query, 3))
    for task in range(2):
        whole = np.cov(support[task].numpy().T)
        for way in range(3):
            items = support[task][LABELS[task] == way].numpy()
            own = np.cov(items.T) if len(items) > 1 else np.zeros((5, 5))
            share = len(items) / (len(items) + 1)
            precision = np.linalg.inv(share * own + (1 - share) * whole + 0.5 * np.eye(5))
            apart = query[task].numpy() - items.mean(0)
            expected = -0.5 * np.einsum("qi,ij,qj->q", apart, precision, apart)
            np.testing.assert_allclose(logits[task, :, way].numpy(), expected)


def test_a_large_ridge_leaves_prototypical_networks() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 5, generator=generator, dtype=torch.float64) for size in (7, 4))
    logits = made(ridge=1e9).classify_features(EpisodeFeatures(support, LABELS, query, 3)) * 1e9
    for task in range(2):
        for way in range(3):
            mean = support[task][LABELS[task] == way].mean(0)
            torch.testing.assert_close(logits[task, :, way], -(query[task] - mean).square().sum(1) / 2)


def test_training_reaches_the_embedding() -> None:
    learner = made().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = learner.loss(random_episodes())
    loss.backward()
    assert float(next(learner.backbone.parameters()).grad.abs().sum()) > 0  # type: ignore[union-attr]
