"""Numbers of queries by a Dirichlet distribution, against NumPy's own and against the rules in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray
from scipy import stats

from episodes import DataError, EpisodeSampler, FixedTask
from episodes.tasks.dirichlet import apportioned, canonical, concentration, log_proportions, shared
from episodes.tasks.disjoint import disjoint_episodes
from tests.made_banks import numbered_bank

WAYS, QUERIES, TOTAL = 5, 15, 75
ROOM = numbered_bank((80, 82, 77, 90, 78, 80))  # 75 queries of a class, and a shot


def counted(task: FixedTask, episodes: int, sizes: tuple[int, ...] | None = None, seed: int = 0) -> NDArray[np.int64]:
    """Queries of each class, `[episodes, ways]`."""
    bank = ROOM if sizes is None else numbered_bank(sizes)
    labels = EpisodeSampler(bank, task, seed).indices(range(episodes)).query_labels
    return np.stack([(labels == label).sum(1) for label in range(task.ways)], axis=1)


def uneven(alpha: float | None = None, ways: int = WAYS, shots: int = 1, queries: int = QUERIES) -> FixedTask:
    return FixedTask(ways, shots, queries, query_imbalance="dirichlet" if alpha is None else f"dirichlet:{alpha}")


def shares(alpha: float, rows: int, seed: int = 0, classes: int = WAYS) -> NDArray[np.float64]:
    logs = log_proportions(np.random.default_rng(seed).random((rows, classes)), alpha)
    weights = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def rounded_as_in_the_paper(quotas: list[float], total: int) -> list[int]:
    """To the nearest, then one after the other: the quota nearest to a half goes the other way, until the sum fits."""
    kept = list(quotas)
    while (found := sum(map(round, kept))) != total:
        place = min(range(len(kept)), key=lambda each: abs(kept[each] % 1 - 0.5))
        kept[place] = np.floor(kept[place]) if found > total else np.ceil(kept[place])
    return [round(each) for each in kept]


@pytest.mark.parametrize(
    ("imbalance", "alpha", "name"),
    [
        ("none", None, "none"),
        ("dirichlet", 2.0, "dirichlet"),
        ("dirichlet:2.0", 2.0, "dirichlet"),
        ("dirichlet:0.50", 0.5, "dirichlet:0.5"),
        ("dirichlet:1e1", 10.0, "dirichlet:10"),
    ],
)
def test_one_concentration_is_one_recipe(imbalance: str, alpha: float | None, name: str) -> None:
    assert concentration(imbalance) == alpha
    assert canonical(imbalance) == FixedTask(5, 1, query_imbalance=imbalance).query_imbalance == name
    assert canonical(name) == name


@pytest.mark.parametrize(
    "imbalance",
    [
        *("dirichle", "Dirichlet", "dirichlet2", "dirichlet:", "dirichlet:abc", "dirichlet:0", "dirichlet:-1"),
        *("dirichlet:nan", "dirichlet:inf", "dirichlet:1e-4", "dirichlet:1001", "dirichlet:1:2", "none:2", "step", ""),
    ],
)
def test_what_is_no_concentration_is_refused(imbalance: str) -> None:
    message = f"there is no --query-imbalance {imbalance}; give none, dirichlet, or dirichlet:ALPHA with"
    with pytest.raises(DataError, match=message):
        FixedTask(5, 1, query_imbalance=imbalance)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 2.0, 30.0])
def test_proportions_are_numpys_dirichlet(alpha: float) -> None:
    """The share of one class, the largest share and the product of two, each by a test of Kolmogorov and Smirnov."""
    ours, theirs = shares(alpha, 8000), np.random.default_rng(1).dirichlet([alpha] * WAYS, 8000)
    assert stats.kstest(ours[:, 0], stats.beta(alpha, (WAYS - 1) * alpha).cdf).pvalue > 1e-3
    for of in (lambda p: p[:, 3], lambda p: p.max(1), lambda p: p[:, 1] * p[:, 2]):
        assert stats.ks_2samp(of(ours), of(theirs)).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.03])
def test_tiny_proportions_keep_their_order(alpha: float) -> None:
    """Most are far below the smallest double: log G is log G' + log(U) / alpha, G' gamma of alpha + 1 (Marsaglia, Tsang
    2000), which numpy draws without a loss."""
    random, rows = np.random.default_rng(2), 8000
    theirs = np.log(random.gamma(alpha + 1, size=(rows, 2))) + np.log(random.random((rows, 2))) / alpha
    ours = log_proportions(random.random((rows, 2)), alpha)
    assert np.isfinite(ours).all()
    assert stats.ks_2samp(ours[:, 0], theirs[:, 0]).pvalue > 1e-3
    assert stats.ks_2samp(ours[:, 0] - ours[:, 1], theirs[:, 0] - theirs[:, 1]).pvalue > 1e-3


def test_the_ends_of_the_unit_interval_are_finite() -> None:
    ends = np.array([[0.0, 2.0**-53, 0.5, 1 - 2.0**-53]])
    for alpha in (0.001, 2.0, 1000.0):
        logs = log_proportions(ends, alpha)
        assert np.isfinite(logs).all()
        assert (np.diff(logs) > 0).all()


def test_largest_remainders_by_hand() -> None:
    """2.5 + 1.3 + 1.2 are 2 + 1 + 1, and the one that is left goes to the remainder 0.5."""
    quotas = np.array([[2.5, 1.3, 1.2], [0.4, 0.3, 4.3], [0.0, 5.0, 0.0]])
    found = apportioned(quotas, np.full((3, 1), 5))
    assert found.tolist() == [[3, 1, 1], [1, 0, 4], [0, 5, 0]]


@settings(max_examples=200, deadline=None)
@given(weights=some.lists(some.floats(1e-3, 1), min_size=2, max_size=8), total=some.integers(1, 300))
def test_largest_remainders_are_the_papers_rounding(weights: list[float], total: int) -> None:
    quotas = total * np.array([weights]) / sum(weights)
    remainders = np.sort(np.append(quotas % 1, 0.5))
    if (np.diff(remainders) < 1e-6).any() or remainders[0] < 1e-6 or remainders[-1] > 1 - 1e-6:
        return  # which of two alike is rounded up is a matter of taste
    assert apportioned(quotas, np.array([[total]])).tolist() == [rounded_as_in_the_paper(quotas[0].tolist(), total)]


def test_what_a_class_lacks_is_shared_by_the_others_in_proportion() -> None:
    """Alike proportions of 12 are 4 each; with 1 and 3 of the first two, 8 go to the last two, 2 and 6 where one has 2.

    Classes beyond are alike in their numbers, so that one uniform number gives all of them the same share.
    """
    alike = np.full((3, 4), 0.3)
    most = np.array([[9, 9, 9, 9], [1, 1, 9, 9], [1, 3, 2, 9]])
    assert shared(alike, 2.0, 12, most).tolist() == [[3, 3, 3, 3], [1, 1, 5, 5], [1, 3, 2, 6]]


@settings(max_examples=150, deadline=None)
@given(
    seed=some.integers(0, 2**32),
    alpha=some.sampled_from([0.001, 0.05, 0.5, 2.0, 1000.0]),
    most=some.lists(some.integers(0, 30), min_size=2, max_size=7),
    part=some.floats(0, 1),
)
def test_whole_numbers_keep_to_total_bounds_and_proportions(
    seed: int, alpha: float, most: list[int], part: float
) -> None:
    total, bounds = round(part * sum(most)), np.tile(most, (3, 1))
    uniform = np.random.default_rng(seed).random(bounds.shape)
    counts, logs = shared(uniform, alpha, total, bounds), log_proportions(uniform, alpha)
    assert counts.dtype == np.int64
    assert (counts.sum(1) == total).all()
    assert ((counts >= 0) & (counts <= bounds)).all()
    for row in range(3):
        assert np.array_equal(shared(uniform[[row]], alpha, total, bounds[[row]])[0], counts[row])
        open_ = counts[row] < bounds[row]
        if not open_.any():
            continue
        # Of two classes that are not full, the one of the larger share has no fewer, but for what rounding does.
        order = np.argsort(logs[row][open_])
        assert (np.diff(counts[row][open_][order]) >= 0).all()


def test_counts_have_the_moments_of_the_papers_recipe() -> None:
    """Of 75 * p with p from Dirichlet(2, ..., 2): mean 15, variance 75^2 * 0.2 * 0.8 / (10 + 1), covariance -1/4 of it.

    Rounding adds at most a quarter to the variance. Multinomial counts would have 92.7 in place of 81.8.
    """
    counts = counted(uneven(), 20_000)
    assert set(counts.sum(1)) == {TOTAL}
    variance = TOTAL**2 * 0.2 * 0.8 / 11
    assert counts.mean(0) == pytest.approx([15] * WAYS, abs=0.3)
    assert counts.var() == pytest.approx(variance, rel=0.02)
    covariances = np.cov(counts.T)[~np.eye(WAYS, dtype=bool)]
    assert covariances == pytest.approx([-variance / 4] * 20, rel=0.08)


@pytest.mark.parametrize("alpha", [0.3, 2.0, 20.0])
def test_counts_are_those_of_numpys_dirichlet_and_the_papers_rounding(alpha: float) -> None:
    """A chi-square test of the queries of one class, and of the most of any class, over values of 40 draws or more."""
    ours = counted(uneven(alpha, queries=5), 4000)
    drawn = 25 * np.random.default_rng(3).dirichlet([alpha] * WAYS, 4000)
    theirs = np.array([rounded_as_in_the_paper(row, 25) for row in drawn.tolist()])
    for first, second in ((ours[:, 0], theirs[:, 0]), (ours.max(1), theirs.max(1))):
        table = np.stack([np.bincount(each, minlength=26) for each in (first, second)])
        often = table.sum(0) >= 40
        table = np.concatenate([table[:, often], table[:, ~often].sum(1, keepdims=True)], axis=1)
        assert stats.chi2_contingency(table[:, table.any(0)]).pvalue > 1e-3


def test_a_large_concentration_is_no_imbalance_and_a_small_one_leaves_one_class() -> None:
    assert np.abs(counted(uneven(1000), 500) - QUERIES).max() <= 3
    assert (counted(uneven(0.001), 500).max(1) == TOTAL).mean() > 0.97


def test_queries_of_no_class_come_first() -> None:
    """The label at each place is as often any of the five, and a class's queries are spread over all places."""
    labels = EpisodeSampler(ROOM, uneven(), 0).indices(range(6000)).query_labels
    for place in (0, 37, 74):
        assert stats.chisquare(np.bincount(labels[:, place], minlength=WAYS)).pvalue > 1e-3
    places = np.concatenate([np.flatnonzero(row == 0) for row in labels[:300]])
    assert stats.kstest(places / TOTAL, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_so_many_tasks_are_cut_where_classes_are_small(alpha: float) -> None:
    """As many as ask for more, where classes have enough: for more than 14 queries, or than 20 shots.

    Shots are drawn one by one, so that their number is not quite that of the shares.
    """
    task, small = uneven(alpha, queries=5), numbered_bank((15,) * WAYS)
    assert task.cut_shares(small) == {
        "query-imbalance": pytest.approx((counted(task, 3000) > 14).any(1).mean(), abs=0.03)
    }
    assert uneven(alpha, queries=1).cut_shares(ROOM) == {"query-imbalance": 0}
    shots = FixedTask(WAYS, 10, 10, imbalance="dirichlet")
    labels = EpisodeSampler(ROOM, shots, 0).indices(range(3000)).support_labels
    most = np.stack([(labels == label).sum(1) for label in range(WAYS)]).max(0)
    assert shots.cut_shares(numbered_bank((30,) * WAYS)) == {"imbalance": pytest.approx((most > 20).mean(), abs=0.05)}
    assert FixedTask(WAYS, 2).cut_shares(small) == {}


@pytest.mark.parametrize("imbalance", ["none", "step", "dirichlet"])
def test_a_class_gives_no_more_than_it_has(imbalance: str) -> None:
    """Twenty images: beside the support, and two for the pool, all the others may be queries, and some are."""
    task = FixedTask(3, 3, 9, query_imbalance="dirichlet:0.5", imbalance=imbalance, unlabelled=2)  # type: ignore[arg-type]
    bank = numbered_bank((20, 20, 20, 20))
    drawn = EpisodeSampler(bank, task, 0).indices(range(600))
    full = 0
    for row in range(600):
        support, query = (np.bincount(each[row], minlength=3) for each in (drawn.support_labels, drawn.query_labels))
        assert query.sum() == 27
        assert (support + query + 2 <= 20).all()
        full += int((support + query + 2 == 20).sum())
        images = np.concatenate([drawn.support[row], drawn.query[row], drawn.unlabelled[row]])
        assert len(set(images)) == len(images) == task.images
    assert full > 300


def test_classes_without_room_are_refused() -> None:
    message = r"--query-imbalance dirichlet has no room: no class of 'numbered' has more than 15 images beside its"
    with pytest.raises(DataError, match=message):
        uneven(ways=3).check(numbered_bank((16, 16, 16)))
    uneven(ways=3).check(numbered_bank((16, 16, 17)))
    with pytest.raises(DataError, match="--shots 1 and --queries 15 need 16"):
        uneven(ways=3).check(numbered_bank((15, 40, 40)))


def test_disjoint_tasks_are_plain() -> None:
    with pytest.raises(DataError, match="--disjoint goes with plain N-way K-shot alone; leave query_imbalance out"):
        disjoint_episodes(ROOM, uneven(), seed=0)


def test_the_queries_that_the_first_version_drew_are_drawn_for_ever() -> None:
    """Records and frozen tasks rest on it: a change here makes old results incomparable."""
    assert counted(uneven(), 3).tolist() == [[17, 11, 30, 9, 8], [9, 24, 8, 17, 17], [12, 35, 2, 11, 15]]
    drawn = EpisodeSampler(numbered_bank((9, 9, 9, 9)), uneven(0.5, 3, 2, 3), seed=1).indices([12345])
    assert drawn.query.tolist() == [[32, 30, 33, 11, 34, 13, 17, 28, 35]]
