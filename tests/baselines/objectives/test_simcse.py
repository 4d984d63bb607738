"""SimCSE's loss by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from baselines.objectives.simcse import SimCSE, contrastive_logits
from episodes.sampling.texts import TextBatch
from metabench.backbone import build_backbone
from metabench.samples import random_episodes, text_problem


def test_the_loss_by_hand() -> None:
    """Two texts: cosines 1 and 0 for the first, 0.8 with the first and 0.6 with itself for the second."""
    first = torch.tensor([[2.0, 0.0], [4.0, 3.0]])
    second = torch.tensor([[5.0, 0.0], [0.0, 0.1]])
    logits = contrastive_logits(first, second, 0.5)
    torch.testing.assert_close(logits, torch.tensor([[2.0, 0.0], [1.6, 1.2]]))
    losses = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(0.4))]
    assert float(F.cross_entropy(logits, torch.arange(2))) == pytest.approx(sum(losses) / 2)


def test_dropout_makes_the_two_differ_and_validation_repeats() -> None:
    shape = text_problem().image_shape
    torch.manual_seed(0)
    objective = SimCSE(build_backbone("bert-tiny", shape), shape, SimCSE.Options(backbone="bert-tiny"))  # type: ignore[arg-type]
    ids = random_episodes(1, task=text_problem().task, shape=shape).query[0]
    batch = TextBatch(ids, 0)
    objective.eval()
    with torch.no_grad():
        exact = objective.logits(ids)
        assert torch.allclose(exact.diagonal(), torch.full((len(ids),), 20.0), atol=1e-3)  # cosine 1 over 0.05
        dropped = objective.train().logits(ids)
        assert (dropped.diagonal() < 19.9).all()
        objective.eval()
        found = []
        for _ in range(2):
            torch.manual_seed(3)
            found.append(objective.values([batch, batch]))
        assert found[0] == found[1]
        assert not objective.network.training
    assert found[0]["contrastive_loss"] > 0
    assert 0 <= found[0]["contrastive_accuracy"] <= 1
    objective.train()
    loss = objective.loss(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
