import torch

from baselines.heads.power import power_transform


def test_by_hand() -> None:
    """Roots of 9 and 16 are 3 and 4, of length 5; a value below 0 keeps its sign."""
    found = power_transform(torch.tensor([[9.0, 16.0], [-9.0, 16.0]]), 0.5)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [-0.6, 0.8]]))


def test_a_feature_of_zeros_stays_finite() -> None:
    assert bool(torch.isfinite(power_transform(torch.zeros(2, 3, 4), 0.5)).all())
