import numpy as np
import pytest
import torch
from easyfsl.methods import LaplacianShot
from sklearn.neighbors import kneighbors_graph

from baselines.heads.propagation import bound, neighbours, propagated


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_neighbours_are_scikit_learns() -> None:
    features = drawn(3, 9, 4)
    for task in range(3):
        assert np.array_equal(neighbours(features, 2)[task], kneighbors_graph(features[task], 2).toarray())


@pytest.mark.parametrize(("queries", "number"), [(1, 0), (3, 2)])
def test_where_there_are_fewer_others_all_are_neighbours(queries: int, number: int) -> None:
    found = neighbours(torch.zeros(2, queries, 4), 3)
    assert found.sum(2).tolist() == [[float(number)] * queries] * 2
    assert float(found.diagonal(dim1=1, dim2=2).sum()) == 0


def test_updates_are_easyfsls() -> None:
    unary, affinity = drawn(2, 9, 4), neighbours(drawn(2, 9, 5), 3)
    other = LaplacianShot(torch.nn.Identity(), inference_steps=7, lambda_regularization=0.6)
    found = propagated(unary, affinity, 0.6, 7).exp()
    for task in range(2):
        torch.testing.assert_close(found[task], other.bound_updates(unary[task], affinity[task]), atol=1e-4, rtol=0)


def test_the_energy_never_rises_where_affinities_are_positive_semi_definite() -> None:
    features, unary = drawn(2, 9, 3), 2 * drawn(2, 9, 4)
    affinity = features @ features.transpose(1, 2)
    energies = torch.stack([bound(propagated(unary, affinity, 3.0, steps), unary, affinity, 3.0) for steps in range(9)])
    assert bool((energies[1:] <= energies[:-1] + 1e-9).all())
    assert bool((energies[-1] < energies[0] - 0.1).all())


def test_the_energy_by_hand() -> None:
    """Two queries of two classes, each drawn to the other: shares 1/2, and 1/4 and 3/4."""
    shares = torch.tensor([[[0.5, 0.5], [0.25, 0.75]]]).log()
    unary = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    affinity = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    entropies = np.log(0.5) + 0.25 * np.log(0.25) + 0.75 * np.log(0.75)
    assert bound(shares, unary, affinity, 6.0).item() == pytest.approx(entropies + 1.5 + 3.75 - 3 * 2 * 0.5, rel=1e-6)


def test_without_weight_it_is_a_softmax_of_the_costs() -> None:
    unary = drawn(2, 5, 3)
    torch.testing.assert_close(propagated(unary, torch.ones(2, 5, 5).double(), 0.0, 5), torch.log_softmax(-unary, 2))
