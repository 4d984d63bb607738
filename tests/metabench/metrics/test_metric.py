from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from episodes.banks.spans import Sentence, SpanBank
from episodes.sampling.spans import Truth
from metabench.metrics.metric import ACCURACY, ANSWER_F1, METRICS, SPAN_F1, SQUARED_ERROR, answers, with_interval
from tests.made_sentences import sentence


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
    assert set(METRICS) == {"accuracy", "squared_error", "span_f1", "answer_f1"}
    assert all(name == metric.name for name, metric in METRICS.items())


def truth(*sentences: Sentence) -> Truth:
    bank = SpanBank("x", sentences, ("y", "z"))
    rows = np.arange(len(sentences))
    return Truth(bank, rows, bank.lengths, bank.labels.numpy(), bank.begins)


def test_span_f1_by_hand() -> None:
    """Of three mentions one is found; another is found with a word too many, and what adjoins it is lost by that."""
    first = sentence(["a", "b", "c", "d"], [(0, 1, "y"), (1, 2, "y"), (3, 4, "z")])
    asked = truth(first, sentence(["e"]))
    logits = F.one_hot(torch.tensor([[1, 1, 0, 2, 0]]), 3).float()
    assert SPAN_F1.per_task(logits, torch.zeros(1, 5), asked).tolist() == [pytest.approx(2 * 1 / (2 + 3))]


def test_answers_are_the_spans_of_most_odds_within_their_own_text() -> None:
    one = replace(sentence(["in", "the", "year", "1066", "or"], [(3, 4, "y")]), answers=("1066", "year 1066"))
    two = replace(sentence(["near", "Hastings"], [(0, 1, "z")]), answers=("Hastings",))
    odds = torch.tensor([-1.0, -0.5, 0.2, 1.0, -1.0, 3.0, -1.0])
    logits = torch.stack([torch.zeros(7), odds], dim=1)[None]
    found = list(answers(logits, truth(one, two)))
    assert found == [("year 1066", ("1066", "year 1066")), ("near", ("Hastings",))]
    labels = torch.zeros(1, 7)
    assert ANSWER_F1.per_task(logits, labels, truth(one, two)).tolist() == [0.5]
    assert ANSWER_F1.exact is not None
    assert ANSWER_F1.exact(logits, labels, truth(one, two)).tolist() == [0.5]
