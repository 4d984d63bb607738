import numpy as np
import torch

from baselines.transductive.bd_cspn import BDCSPN
from metabench.checks import build
from metabench.learner import EpisodeFeatures


def test_logits_by_hand() -> None:
    """In a plane: queries at 50 and 100 degrees, examples at 0 and 90; one confident query of each class."""
    learner = build(BDCSPN, backbone="conv4:4", sharpness=2.0, confident=1)
    assert isinstance(learner, BDCSPN)
    angles = np.radians([0.0, 90.0, 50.0, 100.0, 20.0])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    support, query = points[:2], points[2:] + points[:2].mean(0) - points[2:].mean(0)

    def cosine(one: np.ndarray, two: np.ndarray) -> float:
        return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))

    scores = np.array([[2 * cosine(item, example) for example in support] for item in query])
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    centres = []
    for way in range(2):
        own = [row for row in range(3) if scores[row].argmax() == way]
        items = np.stack([support[way], query[max(own, key=lambda row: chances[row, way])]])
        weights = np.exp([2 * cosine(item, support[way]) for item in items])
        centres.append(weights @ items / weights.sum())
    expected = [[2 * cosine(item, centre) for centre in centres] for item in query]
    parts = (torch.from_numpy(part)[None] for part in (points[:2], points[2:]))
    found = learner.classify_features(EpisodeFeatures(next(parts), torch.tensor([[0, 1]]), next(parts), 2))
    np.testing.assert_allclose(found[0], expected)
