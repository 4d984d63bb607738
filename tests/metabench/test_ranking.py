"""Many learners: a published example, figures by hand, and error rates by simulation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from statsmodels.stats.multitest import multipletests

from metabench.diagram import draw_critical_differences
from metabench.errors import UsageError
from metabench.ranking import outcomes, rank, rank_intervals, tied_ranks, win_tie_loss

# Demšar 2006, table 6: areas under the curve on 14 datasets. In the last but one the paper ranks `cf` before `m+cf`
# by a digit that it does not print.
DEMSAR = pd.DataFrame(
    [
        *([0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967]),
        *([0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931]),
        *([0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875]),
        *([1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669]),
        *([0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970]),
    ],
    columns=["C4.5", "m", "cf", "m+cf"],
)


def test_agrees_with_demsars_example() -> None:
    """Average ranks 3.143, 2.000, 2.893, 1.964; chi-squared 9.28, critical difference 1.25.

    The paper's chi-squared is without correction for ties, which divides it by 1 - 78 / (14 * 60): there are three
    pairs (6 each) and one four (60).
    """
    found = rank(DEMSAR)
    assert list(found.average_ranks.index) == ["m+cf", "m", "cf", "C4.5"]
    assert found.average_ranks.to_numpy() == pytest.approx([1.964, 2.0, 2.893, 3.143], abs=5e-4)
    assert found.statistic * (1 - 78 / 840) == pytest.approx(9.28, abs=5e-3)
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert found.blocks == 14
    apart = found.nemenyi.to_numpy() < 0.05
    ranks = found.average_ranks[list(DEMSAR)].to_numpy()
    assert (apart == (np.abs(ranks[:, None] - ranks) > found.critical_difference)).all()


def test_pairs_over_datasets_are_corrected() -> None:
    """Ahead on all eight blocks: 2 / 2^8 each; the smallest of three times 3, and no other below it."""
    blocks = np.arange(8.0)[:, None]
    scores = pd.DataFrame(np.hstack([blocks, blocks - 1 - blocks / 10, blocks - 3 - blocks / 7]), columns=list("abc"))
    found = rank(scores)
    assert found.holm.to_numpy()[np.triu_indices(3, 1)] == pytest.approx([3 * 2 / 256] * 3)
    assert list(found.average_ranks) == [1, 2, 3]


@pytest.mark.parametrize("scores", [DEMSAR.iloc[:1], DEMSAR.iloc[:, :2], DEMSAR.where(DEMSAR != 0.599)])
def test_what_cannot_be_ranked_is_refused(scores: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="a ranking needs three learners on two or more datasets"):
        rank(scores)


def learners(random: np.random.Generator, means: list[float], tasks: int = 300) -> np.ndarray:
    shared = random.normal(0, 0.1, tasks)
    return np.array(means)[:, None] + shared + random.normal(0, 0.05, (len(means), tasks))


def test_ranks_tie_where_nobody_is_significantly_better() -> None:
    scores = learners(np.random.default_rng(0), [0.7, 0.8, 0.8, 0.9])
    assert tied_ranks(scores) == [4, 2, 2, 1]
    assert tied_ranks(scores, more_is_better=False) == [1, 2, 2, 4]
    assert outcomes(scores).tolist() == [[0, -1, -1, -1], [1, 0, 0, -1], [1, 0, 0, -1], [1, 1, 1, 0]]
    assert tied_ranks(scores[:1]) == [1]


def test_ranks_need_no_groups() -> None:
    """The second is told apart from neither neighbour, but the first from the third: ranks 1, 1, 2."""
    noise = 0.1 * np.tile([-1.0, 1.0], 50)
    scores = np.stack([np.full(100, 0.81), 0.8 + noise, np.full(100, 0.79)])
    assert outcomes(scores).tolist() == [[0, 0, 1], [0, 0, 0], [-1, 0, 0]]
    assert tied_ranks(scores) == [1, 1, 2]


def test_the_same_answers_tie_and_a_constant_lead_does_not() -> None:
    row = np.linspace(0.5, 0.9, 20)
    assert tied_ranks(np.stack([row, row])) == [1, 1]
    assert tied_ranks(np.stack([row - 0.1, row])) == [2, 1]
    assert rank_intervals(np.stack([row, row])) == [(1, 1), (1, 1)]


def test_equal_learners_are_told_apart_in_a_twentieth_of_all_tables_at_most() -> None:
    """Six learners, 15 pairs: without correction a third of the tables would have a wrong statement."""
    random = np.random.default_rng(0)
    tables = [learners(random, [0.8] * 6, tasks=60) for _ in range(600)]
    wrong = np.mean([set(tied_ranks(table)) != {1} for table in tables])
    assert 0.01 < wrong < 0.08


def test_rank_intervals_have_the_true_rank() -> None:
    random = np.random.default_rng(0)
    hits, means = [], [0.80, 0.795, 0.78]
    for _ in range(60):
        found = rank_intervals(learners(random, means, tasks=100))
        hits += [low <= true <= high for true, (low, high) in enumerate(found, start=1)]
    assert np.mean(hits) > 0.93
    close = learners(random, [0.8, 0.8], tasks=50)
    assert rank_intervals(close - close.mean(1, keepdims=True)) == [(1, 2), (1, 2)]
    clear = np.stack([np.linspace(0, 1, 30), np.linspace(0, 1, 30) + 2])
    assert rank_intervals(clear) == [(2, 2), (1, 1)]
    assert rank_intervals(clear, more_is_better=False) == [(1, 1), (2, 2)]


def test_wins_ties_and_losses_are_counted() -> None:
    tables = [np.array([[0, 1], [-1, 0]]), np.array([[0, 1], [-1, 0]]), np.array([[0, 0], [0, 0]])]
    found = win_tie_loss(tables, ["maml", "protonet"])
    assert found.to_numpy().tolist() == [["", "2/1/0"], ["0/1/2", ""]]


def test_the_diagram_joins_those_that_are_not_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "ranks.svg"
    draw_critical_differences(rank(DEMSAR), path)
    drawn = path.read_text(encoding="utf-8")
    assert "(critical difference 1.25)" in drawn
    assert "m+cf (1.96)" in drawn
    draw_critical_differences(rank(DEMSAR), tmp_path / "ranks.png")
    with Image.open(tmp_path / "ranks.png") as picture:
        assert picture.width > 1000
    with pytest.raises(UsageError, match="its name needs an ending"):
        draw_critical_differences(rank(DEMSAR), tmp_path / "ranks")


@pytest.mark.parametrize("missing", [0, 15])
def test_pairs_are_those_of_scipys_paired_t_test_by_holm(missing: int) -> None:
    """On the tasks that both have; also where differences are small beside the scores, which sums of squares lose."""
    random, said = np.random.default_rng(0), set()
    for _ in range(20):
        scores = learners(random, list(random.uniform(0.48, 0.52, 6)), tasks=40)
        scores[1] = scores[0] + random.normal(3e-7, 1e-6, 40)
        scores[2, 40 - missing :] = np.nan
        one, two = np.triu_indices(6, 1)
        pairs = [stats.ttest_rel(scores[i], scores[j], nan_policy="omit") for i, j in zip(one, two, strict=True)]
        chances = multipletests([pair.pvalue for pair in pairs], method="holm")[1]
        expected = [int(np.sign(pair.statistic) * (p < 0.05)) for pair, p in zip(pairs, chances, strict=True)]
        assert outcomes(scores)[one, two].tolist() == expected
        assert outcomes(scores)[two, one].tolist() == [-each for each in expected]
        said.add(sum(map(abs, expected)))
    assert len(said) > 5


def test_few_differences_that_are_alike_say_nothing() -> None:
    """Two equal learners of few queries a task meet with the same difference twice in about one draw of eight."""
    generator = np.random.default_rng(0)
    for tasks in (2, 3, 5):
        tables = generator.binomial(5, 0.5, (2000, 2, tasks)) / 5
        assert np.mean([outcomes(table).any() for table in tables]) < 0.06
    assert outcomes(np.stack([np.full(9, 0.6), np.full(9, 0.5)])).tolist() == [[0, 0], [0, 0]]
    assert outcomes(np.stack([np.full(10, 0.6), np.full(10, 0.5)])).tolist() == [[0, 1], [-1, 0]]


def test_learners_without_common_tasks_are_not_told_apart() -> None:
    """Nor by one; a third, on all tasks, is told apart from each."""
    tasks = np.linspace(0.1, 0.9, 9)
    early, late = np.where(np.arange(9) < 5, tasks, np.nan), np.where(np.arange(9) > 3, tasks - 0.05, np.nan)
    behind = tasks - 0.125 + np.arange(9) / 1000
    assert outcomes(np.stack([early, late, behind])).tolist() == [[0, 0, 1], [0, 0, 1], [-1, -1, 0]]
    late[4] = np.nan
    assert outcomes(np.stack([early, late])).tolist() == [[0, 0], [0, 0]]
