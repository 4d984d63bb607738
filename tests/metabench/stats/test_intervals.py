"""Intervals against values by hand, against other libraries, and by simulation with a known truth."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
import torch
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from episodes import EpisodeSampler, FixedTask, ImageBank
from episodes.tasks.disjoint import disjoint_episodes
from metabench.stats.intervals import (
    CLASSES,
    DISJOINT_TASKS,
    GROUPS,
    REDRAWN_TASKS,
    SEEDS,
    Estimate,
    class_interval,
    crossed,
    mean_interval,
    retraining_deviation,
    seed_interval,
    seed_p_value,
)

AS_OFTEN_AS_IT_SAYS = (0.93, 0.97)


def covered(truth: float, estimates: list[Estimate]) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in estimates]))


def test_a_small_sample_by_hand() -> None:
    """Mean 0.6, deviation 0.2, three values: half-width t(0.975, 2) * 0.2 / sqrt(3) = 4.302653 * 0.1154701."""
    estimate = mean_interval([0.4, 0.6, 0.8])
    assert estimate.mean == pytest.approx(0.6)
    assert estimate.half_width == pytest.approx(4.302653 * 0.1154701, rel=1e-6)
    assert (estimate.count, estimate.covers) == (3, REDRAWN_TASKS)


def test_agrees_with_scipys_interval() -> None:
    values = np.random.default_rng(0).random(600)
    low, high = stats.t.interval(0.9, 599, loc=values.mean(), scale=stats.sem(values))
    estimate = mean_interval(values, confidence=0.9)
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    bounded = mean_interval(values, 0.9, bounded=True)
    assert (bounded.low, bounded.high) == pytest.approx((low, high), abs=1e-4)  # in the middle they hardly differ
    assert mean_interval(values, covers=DISJOINT_TASKS).covers == DISJOINT_TASKS


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    assert np.isnan(mean_interval([0.5]).half_width)
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])


def accuracies(mean: float, concentration: float, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Tasks of 75 queries whose difficulty differs (beta-binomial)."""
    random = np.random.default_rng(seed)
    return random.binomial(75, random.beta(mean * concentration, (1 - mean) * concentration, size=shape)) / 75


@pytest.mark.parametrize(("mean", "tasks"), [(0.5, 20), (0.8, 600), (0.95, 600)])
def test_over_tasks_it_covers_the_mean_of_all_tasks(mean: float, tasks: int) -> None:
    samples = accuracies(mean, 20, (2000, tasks))
    low, high = AS_OFTEN_AS_IT_SAYS
    assert low < covered(mean, [mean_interval(sample, bounded=True) for sample in samples]) < high


def test_of_single_queries_it_is_wilsons_interval() -> None:
    """Tasks of one query: statsmodels' score interval, but for t in place of z and n - 1 in the variance."""
    right = np.repeat([1.0, 0.0], [950, 50])
    low, high = proportion_confint(950, 1000, method="wilson")
    estimate = mean_interval(right, bounded=True)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("tasks", "least"), [(50, 0.89), (100, 0.90), (600, 0.92)])
def test_near_the_bounds_it_covers_more_often_than_t(tasks: int, least: float) -> None:
    """At 99.5%, where t covers in 85, 88 and 93% of samples, and leaves [0, 1]. Nothing cures it all."""
    samples = accuracies(0.995, 20, (2000, tasks))
    plain, bounded = ([mean_interval(sample, bounded=yes) for sample in samples] for yes in (False, True))
    assert all(0 <= each.low <= each.mean <= each.high <= 1 for each in bounded)
    assert covered(0.995, bounded) > max(least, covered(0.995, plain) - 0.005)
    widths = [np.mean([each.high - each.low for each in found]) for found in (plain, bounded)]
    assert widths[1] < 1.12 * widths[0]


def test_nothing_but_right_answers_is_no_proof_of_perfection() -> None:
    """Clopper-Pearson of 600 out of 600: 0.025^(1/600) = 0.99387; of 0 out of 600, 1 less that."""
    perfect = mean_interval(np.ones(600), bounded=True)
    assert (perfect.low, perfect.high) == (pytest.approx(0.99387, abs=1e-5), 1)
    hopeless = mean_interval(np.zeros(600), bounded=True)
    assert (hopeless.low, hopeless.high) == (0, pytest.approx(1 - 0.99387, abs=1e-5))
    assert mean_interval(np.full(600, 0.5), bounded=True).half_width == 0


def test_disjoint_tasks_cover_the_choice_of_images_and_redrawn_ones_do_not() -> None:
    """12 classes of 48 images, each image right or wrong for good; the truth is that of all images there could be.

    The real samplers draw the tasks: 12 disjoint ones of 3 ways, or 600 that redraw the images.
    """
    names = tuple(f"class {number}" for number in range(12))
    images = np.zeros((12 * 48, 1, 16, 16), dtype=np.uint8)
    images[:, 0, 0, :2] = np.stack(divmod(np.arange(len(images)), 256), 1)
    bank = ImageBank("toy/test", torch.from_numpy(images), names, (48,) * 12, names)
    task = FixedTask(ways=3, shots=1, queries=15)
    disjoint = np.concatenate([each.query for each in disjoint_episodes(bank, task, seed=0)])
    redrawn = EpisodeSampler(bank, task, seed=0).indices(range(600)).query
    assert len(disjoint) == 12
    random, truth = np.random.default_rng(0), np.linspace(0.75, 0.85, 12)
    right = random.random((1000, 12 * 48)) < truth.repeat(48)
    found = {
        covers: covered(0.8, [mean_interval(each[queries].mean(1), covers=covers) for each in right])
        for covers, queries in ((DISJOINT_TASKS, disjoint), (REDRAWN_TASKS, redrawn))
    }
    assert AS_OFTEN_AS_IT_SAYS[0] < found[DISJOINT_TASKS] < AS_OFTEN_AS_IT_SAYS[1]
    assert found[REDRAWN_TASKS] < 0.6


def predictions(right: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """From `[tasks, ways, queries]` bool and the classes `[tasks, ways]`."""
    tasks, ways, queries = right.shape
    return pd.DataFrame(
        {
            "task": np.arange(tasks).repeat(ways * queries),
            "class": classes.reshape(-1).repeat(queries),
            "right": right.reshape(-1),
        }
    )


def test_over_classes_by_hand() -> None:
    """All six pairs of classes that add 0.1, 0.2, 0.3, 0.4 to an accuracy, without noise.

    The mean is 2 * 0.25; its variance that of a mean of four classes, twice over: 4 * (0.05 / 3) / 4. Half-width
    t(0.975, 3) = 3.182446 * sqrt(0.016667) = 0.410852.
    """
    pairs = np.array([(one, two) for one in range(4) for two in range(one + 1, 4)])
    rights = (pairs + 1).sum(1)[:, None] > np.arange(10)  # of ten queries
    estimate = class_interval(predictions(rights.reshape(6, 2, 5), pairs))
    assert estimate.mean == pytest.approx(0.5)
    assert estimate.half_width == pytest.approx(0.410852, abs=1e-5)
    assert (estimate.count, estimate.covers) == (4, CLASSES)


def test_a_class_without_queries_in_a_task_has_its_part_there() -> None:
    """The pairs above with the queries of one class alone in each: what leaving a class out does is the same.

    A fifth class, that no task asks for, changes nothing.
    """
    pairs = np.array([(one, two) for one in range(4) for two in range(one + 1, 4)])
    rights = (pairs + 1).sum(1)[:, None] > np.arange(10)
    asked = pairs[np.arange(6), [0, 1, 0, 1, 0, 1]]
    table = predictions(rights.reshape(6, 1, 10), asked[:, None])
    assert set(table["class"]) == {0, 1, 3} | {2}
    present = pd.DataFrame({"task": np.arange(6).repeat(2), "class": pairs.ravel()})
    present = pd.concat([present, pd.DataFrame({"task": [0], "class": [4]})])
    known = class_interval(table, present=present)
    assert (known.mean, known.half_width) == (pytest.approx(0.5), pytest.approx(0.410852, abs=1e-5))
    assert class_interval(table).half_width != pytest.approx(known.half_width, abs=1e-3)


def test_over_classes_with_the_noise_of_tasks_by_hand() -> None:
    """The pairs above, and 0.1 more in tasks 01 and 23, 0.1 less in 02 and 13: noise that no class explains.

    Its variance in a task is 4 * 0.01 / (6 - 4) = 0.02, in the mean 0.02 / 6. Leaving a class out leaves three tasks,
    of which two such means share one: the jackknife has 9 / 16 * 4 / 3 * 3 * (1 / 3 - 1 / 9) = 1 / 2 of the 0.02,
    three times what the mean has. Two of the three are taken off: 0.016667 - 2 * 0.02 / 6 = 0.01.
    """
    pairs = np.array([(one, two) for one in range(4) for two in range(one + 1, 4)])
    rights = (pairs + 1).sum(1) + [1, -1, 0, 0, -1, 1]
    estimate = class_interval(predictions((rights[:, None] > np.arange(10)).reshape(6, 2, 5), pairs))
    assert estimate.mean == pytest.approx(0.5)
    assert estimate.half_width == pytest.approx(3.182446 * 0.1, abs=1e-6)


def simulated_predictions(
    random: np.random.Generator, kind: str, classes: int, tasks: int, ways: int = 5
) -> pd.DataFrame:
    """Classes drawn anew. `own`: each has an accuracy. `confusion`: some are taken for others and others for them."""
    chosen = np.argsort(random.random((tasks, classes)), 1)[:, :ways]
    if kind == "own":
        chance = 0.8 + random.uniform(-0.15, 0.15, classes)[chosen]
    else:
        alike = random.uniform(-0.02, 0.02, classes)[chosen]
        chance = 0.8 - (ways - 1) * alike - (alike.sum(1, keepdims=True) - alike)
    return predictions(random.random((tasks, ways, 4)) < chance[..., None], chosen)


def naive(table: pd.DataFrame) -> Estimate:
    return mean_interval(table.groupby("task")["right"].mean())


def by_true_class(table: pd.DataFrame) -> Estimate:
    """The clusters that come to mind first: the predictions about each class."""
    return mean_interval(table.groupby("class")["right"].mean())


def class_coverage(kind: str, classes: int, tasks: int, samples: int, *of: Callable[[pd.DataFrame], Estimate]) -> list:
    random = np.random.default_rng(0)
    tables = [simulated_predictions(random, kind, classes, tasks) for _ in range(samples)]
    return [covered(0.8, [interval(table) for table in tables]) for interval in of]


@pytest.mark.parametrize("kind", ["own", "confusion"])
def test_over_classes_it_covers_other_classes_and_over_tasks_it_does_not(kind: str) -> None:
    over_classes, over_tasks, plain = class_coverage(kind, 20, 400, 300, class_interval, naive, by_true_class)
    low, high = AS_OFTEN_AS_IT_SAYS
    assert low - 0.01 < over_classes < high + 0.01  # of 300 samples a coverage is known to 2.5 points
    assert over_tasks < 0.4
    assert plain < 0.85 or kind == "own"


def test_where_classes_do_not_differ_it_is_hardly_wider_than_over_tasks() -> None:
    """The jackknife alone counts the noise of a task once for each of its five classes: 2.2 times as wide."""
    random = np.random.default_rng(0)
    ratios = []
    for _ in range(30):
        chosen = np.argsort(random.random((400, 100)), 1)[:, :5]
        table = predictions(random.random((400, 5, 4)) < 0.8, chosen)
        ratios.append(class_interval(table).half_width / naive(table).half_width)
    assert 1 < np.mean(ratios) < 1.35


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["own", "confusion"])
@pytest.mark.parametrize(("classes", "tasks"), [(12, 300), (20, 600), (64, 600), (186, 600)])
def test_over_classes_it_covers_whatever_their_number(kind: str, classes: int, tasks: int) -> None:
    low, high = AS_OFTEN_AS_IT_SAYS
    assert low < class_coverage(kind, classes, tasks, 1500, class_interval)[0] < high + 0.01


SIZES = [45, 33, 25, 17, 15, 6, 6]  # of glyphs' test scripts


def grouped_predictions(
    random: np.random.Generator, sizes: list[int], of_groups: float, of_classes: float
) -> pd.DataFrame:
    """Groups drawn anew, and the classes in them; 300 tasks of five classes, four queries each."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    accuracy = 0.8 + random.normal(0, of_groups, len(sizes))[group] + random.normal(0, of_classes, len(group))
    chosen = np.argsort(random.random((300, len(group))), 1)[:, :5]
    table = predictions(random.random((300, 5, 4)) < np.clip(accuracy, 0, 1)[chosen][..., None], chosen)
    return table.assign(group=group[table["class"]])


@pytest.mark.parametrize(
    ("sizes", "of_groups"), [pytest.param(SIZES, 0.05, marks=pytest.mark.slow), ([10] * 10, 0.05), ([10] * 10, 0.0)]
)
def test_where_whole_groups_are_chosen_it_covers_other_groups_and_over_classes_it_does_not(
    sizes: list[int], of_groups: float
) -> None:
    random = np.random.default_rng(0)
    tables = [grouped_predictions(random, sizes, of_groups, 0.03) for _ in range(200)]
    found = [class_interval(table, whole_groups=True) for table in tables]
    assert {each.covers for each in found} == {GROUPS}
    assert covered(0.8, found) > 0.89
    assert covered(0.8, [class_interval(table) for table in tables]) < (0.8 if of_groups else 0.98)


def test_of_groups_of_one_class_it_is_that_over_classes() -> None:
    table = simulated_predictions(np.random.default_rng(0), "own", 20, 200)
    alone = class_interval(table.assign(group=table["class"]), whole_groups=True)
    of_classes = class_interval(table)
    assert (alone.low, alone.high, alone.count) == pytest.approx((of_classes.low, of_classes.high, 20))
    with pytest.raises(ValueError, match="needs 3 or more; found 2"):
        class_interval(table.assign(group=table["class"] < 10), whole_groups=True)


def test_how_far_retraining_differs_by_hand() -> None:
    """Means 80 and 82 (variance 2), and 90, 90, 93 (variance 3, two degrees): (2 + 2 * 3) / 3."""
    tasks = np.linspace(-1, 1, 5)
    tables = [np.array(means, dtype=float)[:, None] + tasks for means in ([80, 82], [90, 90, 93], [70])]
    assert retraining_deviation(tables) == (pytest.approx((8 / 3) ** 0.5), 3)
    assert np.isnan(retraining_deviation(tables[2:])[0])


def test_classes_that_cannot_be_left_out_have_no_interval() -> None:
    same = predictions(np.ones((30, 3, 2), dtype=bool), np.tile(np.arange(3), (30, 1)))
    with pytest.raises(ValueError, match="found 30 tasks of 3 classes, one of them in 30"):
        class_interval(same)
    with pytest.raises(ValueError, match="more tasks than classes"):
        class_interval(predictions(np.ones((2, 2, 2), dtype=bool), np.array([[0, 1], [2, 3]])))
    as_many = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    with pytest.raises(ValueError, match="found 4 tasks of 4 classes, one of them in 2"):
        class_interval(predictions(np.arange(16).reshape(4, 2, 2) % 5 > 0, as_many))


def seeds_by_tasks(
    random: np.random.Generator, seeds: int, tasks: int, of_seeds: float, of_tasks: float = 0.08
) -> np.ndarray:
    noise = random.normal(0, 0.06, (seeds, tasks))
    return 0.8 + random.normal(0, of_seeds, (seeds, 1)) + random.normal(0, of_tasks, tasks) + noise


def test_components_are_those_of_statsmodels() -> None:
    """Mean squares by its analysis of variance, and the components by its mixed model, whose REML is the same here."""
    table = 100 * seeds_by_tasks(np.random.default_rng(1), 4, 12, 0.05)
    found = seed_interval(table)
    rows = pd.DataFrame({"score": table.ravel(), "seed": np.arange(4).repeat(12), "task": np.tile(np.arange(12), 4)})
    squares = sm.stats.anova_lm(smf.ols("score ~ C(seed) + C(task)", rows).fit())["mean_sq"]
    rest = squares["Residual"]
    assert found.rest**2 == pytest.approx(rest)
    assert found.seed**2 == pytest.approx((squares["C(seed)"] - rest) / 12)
    assert found.task**2 == pytest.approx((squares["C(task)"] - rest) / 4)
    parts = {"seed": "0 + C(seed)", "task": "0 + C(task)"}
    mixed = smf.mixedlm("score ~ 1", rows.assign(all=1), groups="all", vc_formula=parts).fit()
    assert mixed.vcomp == pytest.approx([found.seed**2, found.task**2], rel=1e-3)
    assert mixed.scale == pytest.approx(rest, rel=1e-3)
    assert found.estimate.mean == pytest.approx(mixed.params["Intercept"])
    assert (found.estimate.count, found.estimate.covers) == (4, SEEDS)


def test_over_seeds_by_hand() -> None:
    """Two seeds, two tasks: [[0, 1], [3, 6]]. Row means 0.5 and 4.5, column means 1.5 and 3.5, residuals ±0.5.

    In the variance of the mean: seeds 8 / 2 = 4, tasks 2 / 2 = 1, rest 1 / 1 / 4 = 0.25; so seeds add 3.75, and the
    half-width is t(0.975, 1) = 12.70620 times sqrt(4 + 1): of two seeds the rest is not taken off.
    """
    found = seed_interval([[0, 1], [3, 6]])
    assert found.estimate.mean == 2.5
    assert found.estimate.half_width == pytest.approx(12.70620 * 5**0.5, rel=1e-5)
    assert (found.seed, found.task, found.rest) == pytest.approx((7.5**0.5, 1.5**0.5, 1))
    bounded = seed_interval([[0.0, 0.1], [0.3, 0.6]], bounded=True).estimate
    assert 0 < bounded.low < 0.25 < bounded.high < 1


@pytest.mark.parametrize("scores", [[[0.1, 0.2]], [[0.1], [0.2]], [0.1, 0.2, 0.3], [[[0.1, 0.2]] * 2] * 2])
def test_over_seeds_it_needs_two_of_each(scores: list) -> None:
    with pytest.raises(ValueError, match="needs two seeds and two tasks"):
        seed_interval(scores)


@pytest.mark.parametrize("lead", [-0.3, -0.02, 0.01, 0.05, 3.0])
def test_without_seeds_the_p_value_is_that_of_scipys_t_test(lead: float) -> None:
    differences = np.random.default_rng(0).normal(0, 0.1, 40)
    differences += lead - differences.mean()
    found = seed_p_value(differences.mean(), [], differences.var(ddof=1) / 40, 40)
    assert found == pytest.approx(max(1e-12, stats.ttest_1samp(differences, 0).pvalue))


@pytest.mark.parametrize("lead", [-3.0, -0.5, 0.2, 1.0])
def test_of_seeds_alone_the_p_value_is_that_of_welchs_test(lead: float) -> None:
    """All tasks alike: Welch's t test (1947) of the seeds' means, by scipy."""
    one, two = np.array([80.0, 81, 83, 84]), np.array([80.5, 81.5, 84, 82, 82]) - lead
    tables = [crossed(means[:, None] + np.linspace(-1, 1, 30)) for means in (one, two)]
    found = seed_p_value(one.mean() - two.mean(), tables, 0.0, 30)
    assert found == pytest.approx(stats.ttest_ind(one, two, equal_var=False).pvalue)


@pytest.mark.parametrize("difference", [0.0, 1e-15, -1e-15])
def test_the_p_value_of_almost_no_difference_is_1(difference: float) -> None:
    assert seed_p_value(difference, [], 0.01, 40) == pytest.approx(1)


@pytest.mark.parametrize(("seeds", "of_seeds"), [(2, 0.02), (3, 0.0), (3, 0.02), (5, 0.01)])
def test_over_seeds_it_covers_other_seeds_and_over_tasks_it_does_not(seeds: int, of_seeds: float) -> None:
    random = np.random.default_rng(0)
    tables = [seeds_by_tasks(random, seeds, 600, of_seeds) for _ in range(1000)]
    low, high = AS_OFTEN_AS_IT_SAYS
    assert low < covered(0.8, [seed_interval(table).estimate for table in tables]) < high + 0.005
    over_tasks = covered(0.8, [mean_interval(table.mean(0)) for table in tables])
    assert over_tasks < (0.9 if of_seeds else 0.97)
