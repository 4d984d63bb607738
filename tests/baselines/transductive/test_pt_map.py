import numpy as np
import torch

from baselines.transductive.pt_map import PTMAP
from metabench.checks import build
from metabench.learner import EpisodeFeatures

LABELS = torch.tensor([[0, 1, 1, 2]])


def test_algorithm_1_by_a_loop() -> None:
    learner = build(PTMAP, backbone="conv4:4", sharpness=4.0, updates=6, update_rate=0.3)
    assert isinstance(learner, PTMAP)
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.rand(1, size, 6, generator=generator, dtype=torch.float64) for size in (4, 12))
    logits = learner.classify_features(EpisodeFeatures(support, LABELS, query, 3))
    items = torch.cat([support, query], dim=1)[0].numpy()
    items = items - items.mean(0)
    items /= np.linalg.norm(items, axis=1, keepdims=True)

    def plan(centres: np.ndarray) -> np.ndarray:
        found = np.exp(-4 * np.array([[((item - centre) ** 2).sum() for centre in centres] for item in items[4:]]))
        for _ in range(500):
            found *= 4 / found.sum(0)
            found /= found.sum(1, keepdims=True)
        return found

    centres = np.stack([items[0], items[1:3].mean(0), items[3]])
    for _ in range(6):
        shares = np.concatenate([np.eye(3)[LABELS[0]], plan(centres)])
        centres = centres + 0.3 * (shares.T @ items / shares.sum(0)[:, None] - centres)
    np.testing.assert_allclose(logits[0].exp(), plan(centres), atol=2e-3)


def test_features_are_raised_before_they_are_scaled() -> None:
    learner = build(PTMAP, backbone="conv4:4", power=0.3)
    assert isinstance(learner, PTMAP)
    images = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        found, raw = learner.embed(images).numpy(), learner.backbone(images).numpy()
    raised = (raw + 1e-6) ** 0.3
    np.testing.assert_allclose(found, raised / np.linalg.norm(raised, axis=1, keepdims=True), rtol=1e-4)
