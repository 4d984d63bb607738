import pytest
import torch

from metabench.metric import ACCURACY, METRICS, SQUARED_ERROR, with_interval


def test_by_hand() -> None:
    logits = torch.tensor([[[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]])
    assert ACCURACY.per_task(logits, torch.tensor([[0, 0, 0]])).tolist() == pytest.approx([2 / 3])
    outputs = torch.tensor([[[1.0], [2.0]], [[0.0], [0.0]]])
    assert SQUARED_ERROR.per_task(outputs, torch.tensor([[1.0, 4.0], [0.0, 1.0]])).tolist() == [2.0, 0.5]


def test_which_way_is_better() -> None:
    assert ACCURACY.at_least_as_good(0.5, 0.5)
    assert ACCURACY.at_least_as_good(0.6, 0.5)
    assert not ACCURACY.at_least_as_good(0.4, 0.5)
    assert SQUARED_ERROR.at_least_as_good(0.4, 0.5)
    assert not SQUARED_ERROR.at_least_as_good(0.6, 0.5)


def test_how_it_is_written() -> None:
    assert ACCURACY.text(0.95625) == "95.62%"
    assert ACCURACY.interval(0.95625, 0.0049) == "95.62% ± 0.49 points"
    assert SQUARED_ERROR.text(0.35123) == "0.3512"
    assert SQUARED_ERROR.interval(0.35123, 0.0311) == "0.3512 ± 0.0311"


@pytest.mark.parametrize(
    ("mean", "below", "above", "written"),
    [
        (0.965, 0.0044, 0.0044, "96.50 ± 0.44"),
        (1.0, 0.4593, 0.2, "100.00 -45.93 +0.00"),  # no accuracy is above 100%
        (1 / 3, 0.0, 0.0, "33.33"),  # known
        (0.99, 0.004, 0.003, "99.00 -0.40 +0.30"),
        (0.99, 0.0040, 0.0035, "99.00 ± 0.40"),  # alike: less than a fifth apart
    ],
)
def test_an_interval_has_both_arms_where_they_differ(mean: float, below: float, above: float, written: str) -> None:
    assert with_interval(ACCURACY, mean, below, above) == written


def test_they_are_known_by_name() -> None:
    assert METRICS == {"accuracy": ACCURACY, "squared_error": SQUARED_ERROR}
