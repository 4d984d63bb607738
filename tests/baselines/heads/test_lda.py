import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from baselines.heads.lda import lda_head
from baselines.heads.prototypes import prototypes, squared_distances

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.filterwarnings("ignore:Only one sample")
@pytest.mark.parametrize("shrinkage", [0.01, 0.4, 1.0])
@pytest.mark.parametrize("features", [3, 7, 30])
def test_posteriors_of_uneven_supports_are_scikit_learns(features: int, shrinkage: float) -> None:
    """With fewer features than items, as many, and more."""
    support, query = normal(2, 11, features).split([7, 4], dim=1)
    weight, bias = lda_head(support, LABELS, 3, shrinkage)
    found = torch.softmax(query @ weight + bias, dim=2)
    for task in range(2):
        fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(support[task], LABELS[task])
        np.testing.assert_allclose(found[task].numpy(), fitted.predict_proba(query[task]), rtol=1e-6, atol=1e-9)


def test_of_one_item_per_class_it_is_the_nearest_mean() -> None:
    support, query = normal(2, 9, 5).split([4, 5], dim=1)
    labels = torch.tensor([[0, 1, 2, 3], [3, 1, 0, 2]])
    weight, bias = lda_head(support, labels, 4, 0.3)
    distances = squared_distances(query, prototypes(support, labels, 4))
    found = torch.softmax(query @ weight + bias, dim=2)
    torch.testing.assert_close(found, torch.softmax(-distances / 2, dim=2))


def test_a_class_without_support_is_never_predicted() -> None:
    support = normal(2, 7, 5)
    weight, bias = lda_head(support, LABELS, 5, 0.3)
    assert (bias[..., 3:] == -10_000).all()
    assert torch.isfinite(weight).all()
    expected = lda_head(support, LABELS, 3, 0.3)
    torch.testing.assert_close(weight[..., :3], expected[0])
    torch.testing.assert_close(bias[..., :3], expected[1])
