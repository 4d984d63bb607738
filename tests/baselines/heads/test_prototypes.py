import pytest
import torch

from baselines.heads.prototypes import prototypes, refined, squared_distances


def test_by_hand() -> None:
    """Two classes on a line: prototypes 1 and 10, and a query at 4 that is 9 and 36 away."""
    support = torch.tensor([[[0.0], [10.0], [2.0]]])
    labels = torch.tensor([[0, 1, 0]])
    centres = prototypes(support, labels, 2)
    assert centres.tolist() == [[[1.0], [10.0]]]
    assert squared_distances(torch.tensor([[[4.0]]]), centres).tolist() == [[[9.0, 36.0]]]


def test_soft_k_means_by_hand() -> None:
    """An unlabelled 3 between prototypes 0 and 4 is 9 and 1 away: shares 1 / (1 + e^8) and the rest."""
    support, labels = torch.tensor([[[0.0], [4.0]]]), torch.tensor([[0, 1]])
    moved = refined(support, support, labels, torch.tensor([[[3.0]]]))
    share = 1 / (1 + 2.718281828**8)
    expected = [3 * share / (1 + share), (4 + 3 * (1 - share)) / (2 - share)]
    assert moved.flatten().tolist() == pytest.approx(expected, rel=1e-5)
