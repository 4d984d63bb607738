import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge

from baselines.heads import ridge
from baselines.heads.ridge import ridge_head


@pytest.mark.parametrize(("features", "many"), [(4, 4096), (50, 4096), (4, 12)])
def test_ridge_head_equals_scikit_learns_ridge(features: int, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "MANY", many)
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(3, 12, features, generator=generator, dtype=torch.float64)
    labels = torch.stack([torch.randperm(12, generator=generator) % 4 for _ in range(3)])
    weight, bias = ridge_head(support, labels, 4, penalty=0.7)
    for task in range(3):
        reference = Ridge(alpha=0.7, solver="svd").fit(support[task], F.one_hot(labels[task], 4))
        torch.testing.assert_close(weight[task], torch.from_numpy(reference.coef_.T.copy()))
        torch.testing.assert_close(bias[task, 0], torch.from_numpy(reference.intercept_))
