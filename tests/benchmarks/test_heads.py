"""Heads in turn with scikit-learn in a loop over tasks: the ratio of the best times is what is held."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sklearn.linear_model import LogisticRegression

from baselines.heads.logistic import logistic_head
from tests.benchmarks.ratio import ratio_of_best

TASKS, WAYS, QUERIES, LOOPED, PENALTY = 600, 5, 15, 10, 0.01


@pytest.mark.parametrize(("shots", "features", "least"), [(1, 64, 50), (1, 640, 35), (5, 64, 25), (5, 640, 15)])
def test_logistic_regression_against_a_loop(
    benchmark: BenchmarkFixture, shots: int, features: int, least: float
) -> None:
    """Both fit each task and predict its queries, in one thread; scikit-learn's loop has fewer of them.

    Of 5 shots and 640 features the products of items and the queries' logits alone take a third of our time. The bounds
    leave room for the clock's noise.
    """
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(TASKS, WAYS, 1, features, generator=generator)
    items = items + torch.randn(TASKS, WAYS, shots + QUERIES, features, generator=generator)
    items = torch.nn.functional.normalize(items, dim=3)
    support, query = (part.flatten(1, 2) for part in items.split([shots, QUERIES], dim=2))
    labels = torch.arange(WAYS).repeat_interleave(shots).expand(TASKS, -1)

    def ours() -> None:
        weight, bias = logistic_head(support, labels, WAYS, PENALTY)
        query @ weight + bias

    def theirs() -> None:
        for task in range(LOOPED):
            regression = LogisticRegression(C=1 / (PENALTY * WAYS * shots), max_iter=1000)
            regression.fit(support[task].numpy(), labels[task].numpy())
            regression.predict_log_proba(query[task].numpy())

    assert ratio_of_best(benchmark, ours, theirs, more_work=TASKS // LOOPED) >= least
