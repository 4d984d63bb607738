import numpy as np
import ot
import pytest
import torch

from baselines.heads.transport import transport_cost
from baselines.metric import deepemd
from baselines.metric.deepemd import DeepEMD
from metabench.checks import build
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures, LabelledBatch
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: object) -> DeepEMD:
    learner = build(DeepEMD, **{"backbone": "conv4-two-pools:4", **options})
    assert isinstance(learner, DeepEMD)
    return learner


@pytest.mark.parametrize("most", [2**24, 1])
def test_logits_are_those_of_an_exact_solver_pair_by_pair(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes of 1, 2 and 4 images of 6 places, by the equations of the paper in NumPy and by POT."""
    monkeypatch.setattr(deepemd, "MOST_VALUES", most)
    monkeypatch.setattr(deepemd, "transport_cost", lambda *given: transport_cost(*given, entropy=0.01, steps=5000))
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 4, 2, 3, generator=generator, dtype=torch.float64) for size in (7, 4))
    logits = made(scale=5.0).classify_features(EpisodeFeatures(support.flatten(2), LABELS, query.flatten(2), 3))
    for task in range(2):
        for way in range(3):
            theirs = support[task][LABELS[task] == way].mean(0).numpy().reshape(4, 6).T
            for asked in range(4):
                ours = query[task, asked].numpy().reshape(4, 6).T
                lengths = np.linalg.norm(ours, axis=1)[:, None] * np.linalg.norm(theirs, axis=1)
                cosines = ours @ theirs.T / lengths
                supply = np.maximum(ours @ theirs.mean(0), 0) + 1e-3
                demand = np.maximum(theirs @ ours.mean(0), 0) + 1e-3
                flow = ot.emd(supply / supply.sum(), demand / demand.sum(), 1 - cosines)
                assert float(logits[task, asked, way]) == pytest.approx(5 * (flow * cosines).sum(), abs=0.01)


def test_pretraining_is_a_softmax_of_the_mean_over_places() -> None:
    learner = made()
    first = learner.stages()[0]
    batch = LabelledBatch(torch.rand(4, 1, 28, 28), torch.tensor([0, 5, 3, 3]))
    maps = learner.embed(batch.images).view(4, 4, 49)
    logits = maps.mean(2) @ learner.head.weight.T + learner.head.bias
    torch.testing.assert_close(first.loss(batch), -torch.log_softmax(logits, 1)[range(4), batch.labels].mean())
    assert learner.scoring_parameters() == sum(each.numel() for each in learner.backbone.parameters())


def test_training_reaches_the_embedding() -> None:
    learner = made().train()
    learner.loss(random_episodes()).backward()
    gradient = next(learner.backbone.parameters()).grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().sum()) > 0


def test_a_network_without_local_features_is_refused() -> None:
    with pytest.raises(UsageError, match="backbone 'conv4' has a map of a single place for images of 28 x 28"):
        made(backbone="conv4")
