import numpy as np
import torch
from scipy.spatial.distance import mahalanobis as scipys

from baselines.heads.mahalanobis import class_covariances, mahalanobis

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def test_covariances_are_numpys_mixed_by_hand() -> None:
    """Classes of 1, 2 and 4 items in five dimensions."""
    support = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariances = class_covariances(support, LABELS, 3, ridge=0.7)
    for task in range(2):
        for way in range(3):
            items = support[task][LABELS[task] == way].numpy()
            own = np.cov(items.T) if len(items) > 1 else np.zeros((5, 5))
            share = len(items) / (len(items) + 1)
            expected = share * own + (1 - share) * np.cov(support[task].numpy().T) + 0.7 * np.eye(5)
            np.testing.assert_allclose(covariances[task, way].numpy(), expected)


def test_distances_are_scipys() -> None:
    generator = torch.Generator().manual_seed(0)
    query, centres = (torch.randn(2, size, 5, generator=generator, dtype=torch.float64) for size in (4, 3))
    roots = torch.randn(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    covariances = roots @ roots.transpose(2, 3) + 0.1 * torch.eye(5, dtype=torch.float64)
    distances = mahalanobis(query, centres, covariances)
    for task in range(2):
        for asked in range(4):
            for way in range(3):
                inverse = np.linalg.inv(covariances[task, way].numpy())
                expected = scipys(query[task, asked].numpy(), centres[task, way].numpy(), inverse) ** 2
                np.testing.assert_allclose(float(distances[task, asked, way]), expected)


def test_one_item_in_all_has_the_euclidean_distance() -> None:
    support, query = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[4.0, 6.0]]])
    covariances = class_covariances(support, torch.tensor([[0]]), 1, ridge=1.0)
    torch.testing.assert_close(mahalanobis(query, support, covariances), torch.tensor([[[25.0]]]))


def test_float32_agrees_with_float64_on_large_features() -> None:
    """With fewer items than features, as in nearly all tasks."""
    generator = torch.Generator().manual_seed(0)
    support, query = (30 * torch.randn(1, size, 64, generator=generator, dtype=torch.float64) for size in (20, 9))
    labels = (torch.arange(20) % 4)[None]

    def distances(support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        return mahalanobis(query, support[:, :4], class_covariances(support, labels, 4, 1.0))

    precise = distances(support, query)
    torch.testing.assert_close(distances(support.float(), query.float()).double(), precise, rtol=1e-3, atol=0)


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 3, generator=generator, dtype=torch.float64) for size in (7, 2))
    inputs = [support.requires_grad_(), query.requires_grad_()]
    assert torch.autograd.gradcheck(
        lambda support, query: mahalanobis(query, support[:, :3], class_covariances(support, LABELS, 3, 1.0)), inputs
    )
