import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC
from torch import Tensor

from baselines.closed_form.metaoptnet import MetaOptNet
from metabench.checks import build, check_learner
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: object) -> MetaOptNet:
    learner = build(MetaOptNet, backbone="conv4:4", **options)
    assert isinstance(learner, MetaOptNet)
    return learner


def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 20, generator=generator, dtype=torch.float64) for size in (7, 4))
    return support, query


def test_logits_are_scikit_learns_scores_times_the_scale() -> None:
    support, query = features()
    with torch.no_grad():
        machine = made(cost=0.3, scale=4.0).double().classify_features(EpisodeFeatures(support, LABELS, query, 3))
        regression = made(head="ridge", ridge=0.3, scale=4.0).double()
        regressed = regression.classify_features(EpisodeFeatures(support, LABELS, query, 3))
    for task in range(2):
        fitted = LinearSVC(multi_class="crammer_singer", fit_intercept=False, C=0.3, tol=1e-10, max_iter=10**6)
        fitted.fit(support[task].numpy(), LABELS[task].numpy())
        scores = torch.from_numpy(fitted.decision_function(query[task].numpy()))
        torch.testing.assert_close(machine[task], 4 * scores, rtol=1e-4, atol=1e-4)
        ridge = Ridge(alpha=0.3).fit(support[task], F.one_hot(LABELS[task], 3))
        torch.testing.assert_close(regressed[task], 4 * torch.from_numpy(ridge.predict(query[task])))


def test_training_reaches_the_embedding_and_the_scale() -> None:
    for head in ("svm", "ridge"):
        learner = made(head=head).train()
        learner.loss(random_episodes()).backward()
        for parameter in (learner.scale, next(learner.backbone.parameters())):
            assert float(parameter.grad.abs().sum()) > 0  # type: ignore[union-attr]


def test_mixed_precision_solves_in_full() -> None:
    learner, episodes = made(), random_episodes()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = learner.loss(episodes)
    assert abs(mixed.item() - learner.loss(episodes).item()) < 0.1


def test_ridge_regression_keeps_the_contract_too() -> None:
    check_learner(MetaOptNet, head="ridge")


def test_the_other_heads_option_is_idle() -> None:
    assert made().idle_options() == {"ridge": "head is svm"}
    assert made(head="ridge").idle_options() == {"cost": "head is ridge"}
