"""Two learners: values that R gives, words for each case, and coverage with a known truth."""

import numpy as np
import pytest
from scipy import stats

from metabench.metrics.metric import ACCURACY, SQUARED_ERROR
from metabench.reports.compare import verdict
from metabench.stats.comparison import DIFFERENCES, compare, tasks_to_tell

# Student's sleep data (1908), as R has them: hours of sleep gained by ten patients with two drugs.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_agrees_with_r_on_students_sleep_data() -> None:
    """R's t.test(paired = TRUE): mean -1.58, interval -2.4598858 to -0.7001142, t = -4.0621, 9 degrees, p = 0.002833.

    d_z is t / sqrt(10).
    """
    found = compare(FIRST, SECOND)
    assert found.networks.mean == pytest.approx(-1.58)
    assert (found.networks.low, found.networks.high) == pytest.approx((-2.4598858, -0.7001142))
    assert found.networks_p == pytest.approx(0.002833, abs=1e-6)
    assert found.effect == pytest.approx(-4.0621 / 10**0.5, abs=1e-5)
    assert found.deviation == pytest.approx(1.58 * 10**0.5 / 4.0621, abs=1e-4)
    assert found.networks.covers == DIFFERENCES
    assert found.learners is None
    assert found.learners_p is None


def test_with_one_seed_each_it_is_about_two_networks() -> None:
    better = np.linspace(0.8, 0.9, 50)
    worse = better - 0.02 + 0.01 * np.tile([-1, 1], 25)
    first, second = verdict(compare(better, worse), "maml", "protonet", ACCURACY)
    assert first == (
        "These two networks differ significantly: the accuracy of maml is higher by 2.00 points, 95% interval 1.71 to "
        "2.29, p < 0.0001, over test tasks."
    )
    assert second == "Nothing is known of the learners: that takes two or more training seeds of each."
    assert verdict(compare(worse, better), "protonet", "maml", ACCURACY) == [first, second]


def test_less_error_is_better() -> None:
    less = np.linspace(0.1, 0.3, 50)
    more = less + 0.02 + 0.01 * np.tile([-1, 1], 25)
    words = verdict(compare(less, more), "maml", "other", SQUARED_ERROR)
    assert words[0].startswith(
        "These two networks differ significantly: the mean squared error of maml is lower by 0.0200, 95% interval "
        "0.0171 to 0.0229, p < 0.0001, over"
    )
    assert verdict(compare(more, less), "other", "maml", SQUARED_ERROR) == words
    words = verdict(compare(less, less - 0.001 + np.tile([-0.1, 0.1], 25)), "maml", "other", SQUARED_ERROR)
    assert words[0].startswith(
        "These two networks do not differ significantly: the mean squared error of other is lower by 0.0010, 95% "
    )


def test_what_is_the_same_has_no_effect_size() -> None:
    one = np.random.default_rng(0).random(100)
    found = compare(one, one)
    assert (found.networks_p, found.effect) == (1, None)
    assert "by 0.00 points, 95% interval 0.00 to 0.00, p = 1.0000" in verdict(found, "maml", "protonet", ACCURACY)[0]


def test_the_first_sentence_is_over_seeds_and_all_of_one_test() -> None:
    tasks = np.linspace(0, 0.1, 50)
    one = np.stack([0.8 + tasks, 0.86 + tasks, 0.83 + tasks])
    two = one - 0.01 + 0.002 * np.tile([-1, 1], 25)
    first, second = verdict(compare(one, two), "maml", "other", ACCURACY)
    assert first.startswith("maml and other do not differ significantly: the accuracy of maml is higher by 1.00 points")
    assert first.endswith("over training seeds and test tasks.")
    assert second.startswith(
        "These networks alone, over test tasks: 1.00 points, 95% interval 0.94 to 1.06, p < 0.0001"
    )
    far, _ = verdict(compare(one, two - 0.5), "maml", "other", ACCURACY)
    assert far.startswith("maml is better than other: its accuracy is higher by 51.00 points, 95% interval 4")
    assert compare(one, two[:1]).learners is None


def test_a_learner_without_training_needs_no_seeds() -> None:
    one = np.array([0.8, 0.86, 0.83])[:, None] + np.linspace(0, 0.1, 50)
    found = compare(one, one[:1] - 0.3, seeded=(True, False)).learners
    assert found is not None
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, 2) * 0.03 / 3**0.5, abs=1e-5)  # of the first's seeds
    both = compare(one[:1], one[:1] + 0.01, seeded=(False, False))
    assert both.learners_p == both.networks_p


@pytest.mark.parametrize("lead", [0.0, 0.01, 0.05])
def test_interval_and_p_are_of_one_test(lead: float) -> None:
    """The interval of confidence 1 - p ends at 0."""
    random = np.random.default_rng(0)
    one, two = (0.8 + random.normal(0, 0.01, (3, 1)) + random.normal(0, 0.05, (3, 40)) for _ in range(2))
    found = compare(one + lead, two)
    assert found.learners_p is not None
    edge = compare(one + lead, two, confidence=1 - found.learners_p).learners
    assert edge is not None
    assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-6)
    assert found.networks_p == pytest.approx(stats.ttest_1samp((one + lead).mean(0) - two.mean(0), 0).pvalue)


def test_over_seeds_by_hand() -> None:
    """Seeds 0.80, 0.86, 0.83 on every task, and the same less 0.01: each variance of the mean is 0.0009 / 3 = 0.0003.

    Welch's degrees of freedom for two alike are 4: t(0.975, 4) = 2.776445 times sqrt(0.0006) = 0.068009.
    """
    one = np.array([0.8, 0.86, 0.83])[:, None] + np.linspace(0, 0.1, 50)
    found = compare(one, one - 0.01).learners
    assert found is not None
    assert found.half_width == pytest.approx(0.068009, abs=1e-5)
    assert found.mean == pytest.approx(0.01)
    assert found.count == 6


@pytest.mark.parametrize("of_seeds", [(0.0, 0.0), (0.02, 0.02), (0.005, 0.02)])
def test_over_seeds_it_covers_other_seeds_and_over_tasks_it_does_not(of_seeds: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    over_seeds, over_tasks = [], []
    for _ in range(500):
        shared = 0.8 + random.normal(0, 0.06, 600)
        one, two = (
            shared + random.normal(0, spread, (3, 1)) + random.normal(0, 0.04, 600) + random.normal(0, 0.06, (3, 600))
            for spread in of_seeds
        )
        found = compare(one, two)
        assert found.learners is not None
        over_seeds.append(found.learners.low <= 0 <= found.learners.high)
        over_tasks.append(found.networks.low <= 0 <= found.networks.high)
    assert 0.93 < np.mean(over_seeds) < 0.98
    assert np.mean(over_tasks) < (0.5 if of_seeds[1] else 0.97)


def test_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="needs the same tasks, two or more; found 3 and 2"):
        compare([0.1, 0.2, 0.3], [0.1, 0.2])


@pytest.mark.parametrize(("margin", "needed"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_number_of_tasks_is_that_of_textbooks(margin: float, needed: int) -> None:
    """Paired t test, two-sided at 0.05, power 0.8: 199, 34 and 15 pairs for Cohen's small, medium and large effect."""
    assert tasks_to_tell(1.0, margin) == needed


def test_the_number_of_tasks_at_its_ends() -> None:
    assert tasks_to_tell(0.0, 0.01) == tasks_to_tell(1e-9, 0.01) <= 3
    assert tasks_to_tell(0.15, 1e-5) == pytest.approx((2.8016 * 0.15 / 1e-5) ** 2, rel=1e-3)


@pytest.mark.parametrize(("seeds", "found"), [(2, 0.24), (3, 0.71), (5, 0.99)])
def test_more_seeds_find_a_difference_of_a_point_more_often(seeds: int, found: float) -> None:
    """Seeds that differ by 0.3 points; the shares are those of docs/comparing.md."""
    random, hits = np.random.default_rng(0), 0
    for _ in range(150):
        tasks = random.normal(0, 0.05, 600)
        one, other = (
            mean + tasks + random.normal(0, 0.003, (seeds, 1)) + random.normal(0, 0.02, (seeds, 600))
            for mean in (0.8, 0.81)
        )
        p_value = compare(one, other).learners_p
        assert p_value is not None
        hits += p_value < 0.05
    assert hits / 150 == pytest.approx(found, abs=0.12)


def test_equal_differences_have_no_effect_size() -> None:
    scores = np.linspace(0.2, 0.8, 10)
    assert compare(scores, scores - 0.1).effect is None
    shifted = compare(scores, scores - 0.1 - 1e-6 * np.arange(10))
    assert shifted.effect is not None
    assert shifted.effect == pytest.approx(shifted.networks.mean / shifted.deviation)


def test_one_task_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="a comparison needs the same tasks, two or more; found 1 and 1"):
        compare([0.5], [0.6])
    with pytest.raises(ValueError, match="found 2 and 3"):
        compare([0.5, 0.6], [0.6, 0.7, 0.8])


def test_differences_that_are_all_equal_take_as_few_tasks_as_there_can_be() -> None:
    assert tasks_to_tell(0.0, 0.01) == tasks_to_tell(0.001, 0.01) == 3
