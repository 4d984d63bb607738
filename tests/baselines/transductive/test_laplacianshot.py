import numpy as np
import torch

from baselines.heads.prototypes import prototypes
from baselines.heads.rectification import rectified, shifted
from baselines.transductive.laplacianshot import SHARPNESS, LaplacianShot
from baselines.transfer.simpleshot import SimpleShot
from metabench.checks import build
from metabench.learner import EpisodeFeatures

LABELS = torch.tensor([[0, 1, 1, 2]])


def made(**options: float) -> LaplacianShot:
    learner = build(LaplacianShot, backbone="conv4:4", **options)
    assert isinstance(learner, LaplacianShot)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(1, size, 6, generator=generator, dtype=torch.float64) for size in (4, 7))
    return EpisodeFeatures(support, LABELS, query, 3)


def test_logits_by_a_loop() -> None:
    given = features()
    query = shifted(given.query, given.support)
    centres = rectified(prototypes(given.support, LABELS, 3), given.support, LABELS, query, SHARPNESS)[0].numpy()
    items = query[0].numpy()
    costs = np.array([[((item - centre) ** 2).sum() for centre in centres] for item in items])
    nearest = [sorted(range(7), key=lambda other: ((items[other] - item) ** 2).sum())[1:3] for item in items]
    shares = np.exp(-costs) / np.exp(-costs).sum(1, keepdims=True)
    for _ in range(5):
        scores = np.array([0.4 * shares[nearest[row]].sum(0) - costs[row] for row in range(7)])
        shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    logits = made(neighbours=2, weight=0.4, bound_steps=5).classify_features(given)
    np.testing.assert_allclose(logits[0].exp(), shares, rtol=1e-4)


def test_without_neighbours_and_bias_it_is_simpleshot() -> None:
    """One query at a support's place, which moves nothing."""
    given = features()
    given = EpisodeFeatures(given.support[:, :1], torch.tensor([[0]]), given.support[:, :1], 1)
    assert made(weight=0.0).classify_features(given).exp().item() == 1
    assert issubclass(LaplacianShot, SimpleShot)
    assert [stage.name for stage in made().stages()] == ["pre-train", "centre"]
