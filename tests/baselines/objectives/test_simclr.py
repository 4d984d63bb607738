"""NT-Xent by the paper's equation, in plain numbers."""

import math

import numpy as np
import pytest
import torch

from baselines.objectives._contrast import nt_xent
from tests.baselines.objectives.made import batch, objective


def test_the_loss_by_hand() -> None:
    """Chen et al. 2020, algorithm 1: z_{2k-1} and z_{2k} are the views of item k."""
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 3, 4))
    views = [each for pair in zip(first, second, strict=True) for each in pair]
    cosine = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in views] for a in views]

    def loss(i: int, j: int) -> float:
        return -math.log(math.exp(cosine[i][j] / 0.5) / sum(math.exp(cosine[i][k] / 0.5) for k in range(6) if k != i))

    expected = sum(loss(2 * k, 2 * k + 1) + loss(2 * k + 1, 2 * k) for k in range(3)) / 6
    assert float(nt_xent(torch.from_numpy(first), torch.from_numpy(second), 0.5)) == pytest.approx(expected)


def test_of_two_views_that_are_the_same_and_unlike_all_others() -> None:
    """Four items at right angles: each finds its own at cosine 1 beside six others at 0."""
    views = torch.eye(4)
    assert float(nt_xent(views, views, 0.5)) == pytest.approx(math.log(1 + 6 * math.exp(-2)))


def test_a_head_of_one_hidden_layer_makes_what_is_compared() -> None:
    made, data = objective("simclr", temperature=0.5), batch()
    made.eval()
    torch.manual_seed(5)
    views = made.view(data.images), made.view(data.images)
    assert not torch.equal(*views)
    first, second = (made.head(made.network(each)) for each in views)
    torch.manual_seed(5)
    torch.testing.assert_close(made.loss(data), nt_xent(first, second, 0.5), rtol=1e-4, atol=1e-5)
    assert [type(each).__name__ for each in made.head] == ["Linear", "ReLU", "Linear"]
    assert first.shape == (60, 128)


def test_mixed_precision_does_not_round_cosines() -> None:
    first, second = torch.randn(2, 5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = nt_xent(first, second, 0.05)
    torch.testing.assert_close(mixed, nt_xent(first, second, 0.05))
