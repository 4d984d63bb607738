"""`metabench compare`: what a comparison says, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from metabench.metrics.metric import Metric
from metabench.reports.contest import Contest, in_all, judged, ranking
from metabench.stats.aggregate import improvement, interquartile_mean, interval
from metabench.stats.comparison import LEVEL, SMALLEST_P, Comparison, tasks_to_tell
from metabench.stats.intervals import Estimate, mean_interval, seed_interval
from metabench.stats.ranking import FEWEST_BLOCKS, outcomes, places, win_tie_loss

WIDTH = 80  # of a terminal's line


def describe_pair(contest: Contest) -> str:
    """Two learners: their values, the verdict, what it covers, and how many tasks a small difference takes."""
    (first, one), (second, two) = contest.scores.items()
    metric = contest.metric
    found = contest.pair(first, second)
    margin = 0.01 if metric.percent else 0.1 * min(one.mean(), two.mean())
    what = "1 point" if metric.percent else f"{margin:.{metric.digits}f}, a tenth of the lower error,"
    lines = [_heading(contest), *_table(contest)]
    lines += verdict(found, first, second, metric)
    covered = found.learners or found.networks
    lines.append(f"The {'first ' if found.learners else ''}interval covers {covered.covers}.")
    if found.effect is not None:
        lines.append(f"Effect size {abs(found.effect):.2f}: the mean difference over its standard deviation.")
    if margin > 0:
        needed = tasks_to_tell(found.deviation, margin)
        lines.append(f"To see {what} between two networks takes about {needed:,} such tasks (power 80%).")
    return _wrapped(lines)


def describe_table(contest: Contest) -> str:
    """Several learners on the same tasks: the table with ranks, and which pairs do not differ significantly."""
    names = list(contest.scores)
    ranks = places(contest.entrants(names), contest.metric.more_is_better)
    lines = [_heading(contest), *_table(contest, ranks)]
    if not all(ranks):
        lines.append("There are no ranks: no learner here has two training seeds to tell how far seeds differ.")
        return _wrapped(lines)
    found = outcomes(contest.entrants(names), contest.metric.more_is_better)
    tied = [f"{names[one]} and {names[two]}" for one, two in zip(*np.nonzero(np.triu(found == 0, 1)), strict=True)]
    end = f"Not significantly different: {'; '.join(tied)}." if tied else "All pairs differ significantly."
    return _wrapped([*lines, f"{end} (Over seeds and tasks, Holm, 5% for the whole table.)"])


def describe_ranking(found: Sequence[Contest]) -> str:
    """Over boards wins, ties and losses, and aggregates; from five datasets on the tests of Friedman and Nemenyi."""
    names = in_all(found)
    if len(names) < 2:
        return f"No two learners are on all {len(found)} boards: nothing is said over them."
    tables = [outcomes(each.entrants(names), each.metric.more_is_better) for each in judged(found, names)]
    lines: list[str | _Verbatim] = []
    if tables:
        lines += [f"Over these {len(tables)} boards, wins/ties/losses of row against column:"]
        lines += _matrix(win_tie_loss(tables, [str(number) for number in range(1, len(names) + 1)]), names)
    lines += _aggregates(found, names)
    datasets = len({each.dataset for each in found})
    if len(names) < 3 or datasets < FEWEST_BLOCKS:
        few = f"{datasets} dataset{'s' if datasets > 1 else ''}"
        lines.append(f"Friedman's and Nemenyi's tests take {FEWEST_BLOCKS} datasets and three learners; here {few}.")
        return _wrapped(lines)
    result = ranking(found)
    apart = [
        f"{one} and {two} (Nemenyi p = {result.nemenyi.loc[one, two]:.4f}, Holm p = {result.holm.loc[one, two]:.4f})"
        for number, one in enumerate(result.average_ranks.index)
        for two in result.average_ranks.index[number + 1 :]
        if min(result.nemenyi.loc[one, two], result.holm.loc[one, two]) < 0.05
    ]
    lines += [
        "Average ranks: " + ", ".join(f"{name} {value:.2f}" for name, value in result.average_ranks.items()) + ".",
        f"Friedman's test that all are equal: chi-squared {result.statistic:.2f}, p = {result.p_value:.4f}"
        + (f" (an approximation, rough for {result.blocks})." if result.blocks < 10 else "."),
        f"Critical difference (Nemenyi, 0.05): {result.critical_difference:.2f}; significant over datasets: "
        + ("; ".join(apart) or "none")
        + ".",
    ]
    return _wrapped(lines)


class _Verbatim(str):
    """A line that is not wrapped."""


def _wrapped(lines: Iterable[str]) -> str:
    kept = (
        line if isinstance(line, _Verbatim) else textwrap.fill(line, WIDTH, break_long_words=False) for line in lines
    )
    return "\n".join(kept)


def _heading(contest: Contest) -> str:
    fewer = f", the first of up to {contest.most:,}: those that all have" if contest.most > contest.tasks else ""
    return f"{contest.title}, on the same {contest.tasks:,} test tasks{fewer}:"


def _table(contest: Contest, ranks: Sequence[object] | None = None) -> list[_Verbatim | str]:
    """A row per learner, the best first, with the legend."""
    metric, rows = contest.metric, []
    for number, (name, scores) in enumerate(contest.scores.items()):
        of_tasks = mean_interval(scores.mean(0), bounded=metric.percent)
        over_seeds, seeds = "", len(scores)
        if name in contest.seedless:
            over_seeds, seeds = "none", 1
        elif seeds > 1:
            estimate = seed_interval(scores, bounded=metric.percent).estimate
            over_seeds = f"{metric.scale * estimate.half_width:.{metric.digits}f}"
        row = {
            "mean": metric.text(of_tasks.mean),
            "± seeds": over_seeds or "?",
            "± tasks": f"{metric.scale * of_tasks.half_width:.{metric.digits}f}",
            "seeds": "-" if name in contest.seedless else str(seeds),
            "learner": name,
        }
        rows.append({"rank": str(ranks[number] or "-"), **row} if ranks else row)
    order = np.argsort([scores.mean() for scores in contest.scores.values()], kind="stable")
    table = pd.DataFrame(rows).iloc[order[::-1] if metric.more_is_better else order]
    # The name last and to the left, since it may be long.
    wide = table["learner"].str.len().max()
    table = table.assign(learner=table["learner"].str.ljust(wide))
    lines = table.rename(columns={"learner": "learner".ljust(wide)}).to_string(index=False).splitlines()
    legend = "± seeds: 95% interval over training seeds and test tasks"
    legend += ", ? with a single seed" if "?" in set(table["± seeds"]) else ""
    legend += "; ± tasks: of these networks, over test tasks alone."
    if ranks and any("*" in str(place) for place in ranks):
        legend += " *: one training seed, its variance borrowed from the others'."
    names = ", ".join(sorted(contest.transductive))
    marked = [f"Transductive, as other queries may change a prediction: {names}."] if names else []
    return [*(_Verbatim(line.rstrip()) for line in lines), legend, *marked]


def _matrix(table: pd.DataFrame, names: Sequence[str]) -> list[_Verbatim]:
    """Rows by number and name, columns by number alone, so that long names do not widen it."""
    numbered = table.rename(index={str(number): f"{number} {name}" for number, name in enumerate(names, start=1)})
    return [_Verbatim(line.rstrip()) for line in numbered.to_string().splitlines()]


def _aggregates(found: Sequence[Contest], names: Sequence[str]) -> list[str]:
    """Interquartile means and probabilities of improvement, of learners with two seeds or more on all boards."""
    if len({each.metric.label for each in found}) > 1:
        return []
    metric = found[0].metric
    several = [
        name for name in names if all(len(each.scores[name]) > 1 and name not in each.seedless for each in found)
    ]
    boards = {name: [each.scores[name].mean(1) for each in found] for name in several}
    order = sorted(several, key=lambda name: interquartile_mean(boards[name]), reverse=metric.more_is_better)
    lines = []
    for name in order:
        estimate = interval(interquartile_mean, boards[name])
        low, high = metric.text(estimate.low), metric.text(estimate.high)
        lines.append(f"Interquartile mean of {name}: {metric.text(estimate.mean)} ({low} to {high} over seeds).")
    for one, two in pairwise(order):
        pair = (boards[one], boards[two]) if metric.more_is_better else (boards[two], boards[one])
        estimate = interval(improvement, *pair)
        lines.append(
            f"A seed of {one} is better than one of {two} with probability {estimate.mean:.2f} "
            f"({estimate.low:.2f} to {estimate.high:.2f})."
        )
    return lines


def verdict(comparison: Comparison, first: str, second: str, metric: Metric) -> list[str]:
    """Which of the two is better, by how much and how surely: a sentence on the learners, and one on these networks.

    The first sentence is over training seeds and tasks, and all its values are of one test. With one seed of either
    there is none, and the sentence says so.
    """
    mean = comparison.networks.mean
    ahead = 1 if (mean >= 0) == metric.more_is_better else -1
    better, worse = (first, second) if ahead > 0 else (second, first)
    sign = ahead if metric.more_is_better else -ahead
    direction = "higher" if metric.more_is_better else "lower"

    def by(estimate: Estimate, p_value: float) -> str:
        low, high = sorted((sign * estimate.low, sign * estimate.high))
        unit = " points" if metric.percent else ""
        p = f"p < {SMALLEST_P}" if p_value < SMALLEST_P else f"p = {p_value:.4f}"
        return f"{_value(sign * mean, metric)}{unit}, 95% interval {_value(low, metric)} to {_value(high, metric)}, {p}"

    networks = by(comparison.networks, comparison.networks_p)
    if comparison.learners is None or comparison.learners_p is None:
        same = "differ significantly" if comparison.networks_p < LEVEL else "do not differ significantly"
        return [
            f"These two networks {same}: the {metric.label} of {better} is {direction} by {networks}, over test tasks.",
            "Nothing is known of the learners: that takes two or more training seeds of each.",
        ]
    of_learners = by(comparison.learners, comparison.learners_p)
    if comparison.learners_p < LEVEL:
        lead = f"{better} is better than {worse}: its {metric.label} is {direction} by {of_learners}"
    else:
        lead = f"{first} and {second} do not differ significantly: the {metric.label} of {better} is {direction} by "
        lead += of_learners
    return [f"{lead}, over training seeds and test tasks.", f"These networks alone, over test tasks: {networks}."]


def _value(value: float, metric: Metric) -> str:
    # Not -0.00.
    return f"{round(metric.scale * value, metric.digits) + 0.0:.{metric.digits}f}"
