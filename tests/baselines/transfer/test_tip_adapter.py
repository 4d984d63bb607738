import torch
from torch import Tensor

from baselines.transfer.tip_adapter import TipAdapter
from metabench.checks import build
from metabench.learner import EpisodeFeatures

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: float) -> TipAdapter:
    learner = build(TipAdapter, **options).double()
    assert isinstance(learner, TipAdapter)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 6, generator=generator, dtype=torch.float64) for size in (7, 4))
    unit = torch.nn.functional.normalize
    return EpisodeFeatures(unit(support, dim=2), LABELS, unit(query, dim=2), 3)


def by_hand(support: Tensor, labels: Tensor, keys: Tensor, query: Tensor) -> Tensor:
    """Logits of one task with residual 2, sharpness 3 and scale 4, number by number."""
    logits = torch.zeros(len(query), 3, dtype=torch.float64)
    for row, item in enumerate(query):
        for way in range(3):
            mean = support[labels == way].mean(0)
            votes = [torch.exp(-3 * (1 - item @ key)) for key in keys[labels == way]]
            logits[row, way] = 4 * item @ mean / mean.norm() + 2 * sum(votes)
    return logits


def test_without_tuning_it_is_the_papers_sum() -> None:
    given = features()
    logits = made(residual=2.0, sharpness=3.0, scale=4.0, tuning_steps=0).classify_features(given)
    for task in range(2):
        support = given.support[task]
        torch.testing.assert_close(logits[task], by_hand(support, LABELS[task], support, given.query[task]))


def test_tuning_moves_the_keys_alone_by_adam() -> None:
    given = features()
    learner = made(residual=2.0, sharpness=3.0, scale=4.0, tuning_steps=5, tuning_rate=0.1)
    logits = learner.classify_features(given)
    for task in range(2):
        support, labels = given.support[task], LABELS[task]
        keys = support.clone().requires_grad_()
        optimizer = torch.optim.Adam([keys], lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            surprise = -torch.log_softmax(by_hand(support, labels, keys, support), 1)[range(7), labels]
            surprise.mean().backward()
            optimizer.step()
        torch.testing.assert_close(logits[task], by_hand(support, labels, keys.detach(), given.query[task]))
    before = made(residual=2.0, sharpness=3.0, scale=4.0, tuning_steps=0).classify_features(given)
    torch.testing.assert_close(learner.after_steps(0).classify_features(given), before)
    assert not torch.allclose(logits, before, atol=0.1)


def test_the_rate_of_no_steps_changes_nothing() -> None:
    assert made(tuning_steps=0).idle_options() == {"tuning_rate": "tuning_steps is 0"}
    assert not made().idle_options()
