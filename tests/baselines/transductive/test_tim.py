import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from baselines.heads.information import log_shares
from baselines.transductive.alpha_tim import AlphaTIM
from baselines.transductive.tim import TIM
from metabench.checks import build
from metabench.learner import EpisodeFeatures

LABELS = torch.tensor([[0, 1, 1, 2], [2, 0, 1, 2]])
Array = NDArray[np.float64]


def made(**options: object) -> TIM:
    learner = build(TIM, backbone="conv4:4", **options)
    assert isinstance(learner, TIM)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (
        F.normalize(torch.randn(2, size, 6, generator=generator, dtype=torch.float64), dim=2) for size in (4, 15)
    )
    return EpisodeFeatures(support, LABELS, query, 3)


def chances(items: Array, weights: Array, sharpness: float) -> Array:
    scores = np.array([[np.exp(-sharpness / 2 * ((item - weight) ** 2).sum()) for weight in weights] for item in items])
    return scores / scores.sum(1, keepdims=True)


def alternated(support: Array, known: Array, query: Array, steps: int) -> Array:
    """Proposition 1 as printed, one class at a time; sharpness 6, weights 0.3 (support) and 0.2 (queries)."""
    ratio, of_support = len(support) / len(query), 0.3 / 1.2
    weights = np.stack([support[known[:, way] == 1].mean(0) for way in range(3)])
    for _ in range(steps):
        raised = chances(query, weights, 6.0) ** 1.2
        targets = raised / np.sqrt(raised.sum(0))
        targets /= targets.sum(1, keepdims=True)
        found, asked = chances(support, weights, 6.0), chances(query, weights, 6.0)
        moved = []
        for way, weight in enumerate(weights):
            total = of_support * (known[:, way] @ support + found[:, way] @ (weight - support))
            total += ratio * (targets[:, way] @ query + asked[:, way] @ (weight - query))
            moved.append(total / (of_support * known[:, way].sum() + ratio * targets[:, way].sum()))
        weights = np.stack(moved)
    return chances(query, weights, 6.0)


def test_alternating_directions_by_a_loop() -> None:
    given = features()
    logits = made(solver_steps=7, sharpness=6.0, support_weight=0.3, query_weight=0.2).classify_features(given)
    for task in range(2):
        known = F.one_hot(LABELS[task], 3).numpy().astype(float)
        expected = alternated(given.support[task].numpy(), known, given.query[task].numpy(), 7)
        np.testing.assert_allclose(logits[task].exp(), expected)


def test_both_solvers_lower_the_loss_alike() -> None:
    """From the class means, to nearly the same."""
    given, losses = features(), {}
    for name, options in {
        "start": {"solver_steps": 0},
        "adm": {"solver_steps": 150},
        "gd": {"solver": "gd", "solver_steps": 400, "solver_rate": 1e-2},
    }.items():
        logits = made(**options, support_weight=1.0).classify_features(given)
        # Its own weights are not told, but the loss of the queries is a function of the logits alone.
        shares = logits.exp()
        mean = shares.mean(1)
        losses[name] = (mean * mean.log()).sum(1) - 0.1 * (shares * logits).sum(2).mean(1)
    assert bool((losses["adm"] < losses["start"] - 0.01).all())
    torch.testing.assert_close(losses["adm"], losses["gd"], atol=0.05, rtol=0)


def test_the_loss_is_of_both_sets() -> None:
    given, learner = features(), made(sharpness=4.0, support_weight=2.0, query_weight=0.5)
    weights = given.support[:, 1:]
    shares, asked = (log_shares(part, weights, 4.0).exp().numpy() for part in (given.support, given.query))
    for task in range(2):
        surprise = -np.log(shares[task][range(4), LABELS[task]]).mean()
        mean, each = asked[task].mean(0), -(asked[task] * np.log(asked[task])).sum(1).mean()
        expected = 2 * surprise + (mean * np.log(mean)).sum() + 0.5 * each
        np.testing.assert_allclose(learner.task_loss(given, weights)[task], expected)


def test_alpha_tim_tends_to_tim() -> None:
    given = features()
    options = {"solver_steps": 40, "solver_rate": 0.01, "sharpness": 6.0}
    shannon = made(**options, solver="gd", support_weight=1.0, query_weight=1.0).classify_features(given)
    found = {order: build(AlphaTIM, backbone="conv4:4", **options, alpha=order) for order in (1.0, 1.0001, 3.0)}
    logits = {order: each.classify_features(given) for order, each in found.items() if isinstance(each, AlphaTIM)}
    torch.testing.assert_close(logits[1.0], shannon)
    torch.testing.assert_close(logits[1.0001], shannon, atol=1e-2, rtol=0)
    assert not torch.allclose(logits[3.0], shannon, atol=1e-2)
