"""Contest: learners whose records are of the same test tasks, and what can be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench.comparison import compare, tasks_to_tell, verdict
from metabench.config import describe_task
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.measure import Measure
from metabench.ranking import Ranking, outcomes, rank, rank_intervals, tied_ranks, win_tie_loss
from metabench.reading import read_record, record_file
from metabench.records import RunRecord
from metabench.row import settings
from metabench.stats import mean_interval, seed_interval


@dataclass(frozen=True)
class Contest:
    """Learners on the same test tasks.

    Attributes:
        title: dataset and task.
        measure: what they are scored by.
        scores: by learner, `[seeds, tasks]`, the same tasks for all.
        most: tasks of the record that has most; more than are compared where another has fewer.
    """

    title: str
    measure: Measure
    scores: dict[str, NDArray[np.float64]]
    most: int

    @property
    def tasks(self) -> int:
        return int(self.pooled.shape[1])

    @property
    def pooled(self) -> NDArray[np.float64]:
        """`[learners, tasks]`: seeds averaged."""
        return np.stack([scores.mean(0) for scores in self.scores.values()])


def contests(paths: Sequence[Path]) -> list[Contest]:
    """The records at the paths by the tasks they are of; runs that differ in the training seed alone are one learner.

    Two paths are two learners, whatever they are.

    Args:
        paths: run folders, or their record files.

    Raises:
        UsageError: a record cannot be read, only one learner is given, no two are of the same tasks, or a run is
            there twice.
    """
    records = [(path, *read_record(record_file(path))) for path in paths]
    names = [_name(record) for _, record, _ in records]
    if len(records) == 2 and names[0] == names[1]:
        names = [str(path) for path in paths]
    if len(set(names)) < 2:
        raise UsageError(
            f"there is only one learner to compare, {names[0] if names else 'none'}; give the runs of another too"
        )
    groups: dict[tuple[object, ...], dict[tuple[str, int], tuple[Path, RunRecord, NDArray[np.float64]]]] = {}
    for name, (path, record, scores) in zip(names, records, strict=True):
        group = groups.setdefault(tuple(same_tasks(record).values()), {})
        key = (name, record.config.seed)
        if key in group:
            raise UsageError(
                f"'{group[key][0]}' and '{path}' are both of {name}, seed {record.config.seed}, on the same tasks; "
                "leave one of them out"
            )
        group[key] = (path, record, scores)
    found = [_contest(group) for group in groups.values() if len({name for name, _ in group}) > 1]
    if not found:
        _refuse(records)
    return found


def same_tasks(record: RunRecord) -> dict[str, object]:
    """What decides which tasks a record is of, all but their number: task i of the same is the same."""
    config = record.config.model_copy(update={"train_task": ()})
    return {
        "test images": record.dataset.fingerprints.test[:8],
        "frozen tasks": record.dataset.tasks[:8] if record.dataset.tasks else "none",
        **{name: getattr(config, name) for name in ("ways", "shots", "queries")},
        "task": config.variant or "plain",
        "test seed": config.test_seed,
        "measure": record.score.measure.name,
    }


def _name(record: RunRecord) -> str:
    """The learner, and whatever was changed in how it was trained."""
    config = record.config
    changes = [settings(record)] if settings(record) else []
    changes += [f"trained on {config.dataset}"] if config.test_dataset else []
    changes += (
        ["trained on " + " and ".join(",".join(names) for names in config.train_task)] if config.train_task else []
    )
    return plain(config.learner + (f" ({'; '.join(changes)})" if changes else ""))


def _contest(group: dict[tuple[str, int], tuple[Path, RunRecord, NDArray[np.float64]]]) -> Contest:
    counts = [len(scores) for _, _, scores in group.values()]
    record = next(iter(group.values()))[1]
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    for (name, _), (_, _, scores) in sorted(group.items(), key=lambda item: item[0][1]):
        by_name.setdefault(name, []).append(scores[: min(counts)])
    config = record.config.model_copy(update={"train_task": ()})
    title = plain(f"{config.test_dataset or record.dataset.name}, {describe_task(config)}")
    in_order = {name: np.stack(by_name[name]) for name in dict.fromkeys(name for name, _ in group)}
    return Contest(title, record.score.measure, in_order, max(counts))


def _refuse(records: Sequence[tuple[Path, RunRecord, NDArray[np.float64]]]) -> None:
    (first, one, _), (second, other, _) = records[:2]
    mine, theirs = same_tasks(one), same_tasks(other)
    differing = "; ".join(f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name])
    raise UsageError(
        f"'{first}' and '{second}' were not scored on the same tasks ({differing}); give runs of the same dataset, "
        "task and --test-seed"
    )


def describe_pair(contest: Contest) -> str:
    """Two learners: their figures, the verdict, what it covers, and how many tasks a small difference takes."""
    (first, one), (second, two) = contest.scores.items()
    measure, found = contest.measure, compare(one, two)
    margin = 0.01 if measure.percent else 0.1 * min(one.mean(), two.mean())
    what = "1 point" if measure.percent else f"{margin:.{measure.digits}f}, a tenth of the lower error,"
    lines = [_heading(contest)]
    lines += [f"  {name}: {_figures(scores, measure)}" for name, scores in contest.scores.items()]
    lines += [
        verdict(found, first, second, measure),
        f"The interval covers {found.difference.covers}.",
        f"Effect size {abs(found.effect):.2f}: the mean difference over its standard deviation.",
    ]
    if margin > 0:
        needed = tasks_to_tell(found.deviation, margin)
        lines.append(f"To tell {what} apart takes about {needed:,} such tasks (paired t test, power 80%).")
    return "\n".join(lines)


def describe_table(contest: Contest) -> str:
    """Several learners on the same tasks: the table with ranks, and which pairs cannot be told apart."""
    measure, pooled = contest.measure, contest.pooled
    names = list(contest.scores)
    table = pd.DataFrame(
        {
            "rank": tied_ranks(pooled, measure.more_is_better),
            "ranks": [f"{low} to {high}" for low, high in rank_intervals(pooled, measure.more_is_better)],
            "learner": names,
            measure.name: [_figures(scores, measure) for scores in contest.scores.values()],
        }
    )
    order = np.argsort(-pooled.mean(1) if measure.more_is_better else pooled.mean(1), kind="stable")
    tied = [
        f"{names[one]} and {names[two]}"
        for one, two in zip(*np.nonzero(np.triu(outcomes(pooled) == 0, 1)), strict=True)
    ]
    lines = [_heading(contest), table.iloc[order].to_string(index=False)]
    lines.append(f"Not distinguishable: {'; '.join(tied)}." if tied else "All pairs are told apart.")
    return "\n".join(lines)


def ranking(found: Sequence[Contest]) -> Ranking:
    """The learners that are in all contests, ranked over these.

    Raises:
        UsageError: fewer than three learners, or than two contests.
    """
    names = _in_all(found)
    if len(found) < 2 or len(names) < 3:
        raise UsageError(
            "a ranking over datasets and tasks needs three learners, each on two or more of them; found "
            f"{len(names)} on {len(found)}"
        )
    means = [
        [(1 if each.measure.more_is_better else -1) * each.scores[name].mean() for name in names] for each in found
    ]
    return rank(pd.DataFrame(means, index=[each.title for each in found], columns=names))


def describe_ranking(found: Sequence[Contest]) -> str:
    """Over datasets and tasks: wins, ties and losses, average ranks, Friedman's test, Nemenyi's, Holm's."""
    names = _in_all(found)
    if len(names) < 2:
        return f"No two learners are on all {len(found)}: nothing is said over them."
    tables = [
        outcomes(np.stack([each.scores[name].mean(0) for name in names]), each.measure.more_is_better) for each in found
    ]
    lines = [f"Over these {len(found)}, win/tie/loss of row against column:", win_tie_loss(tables, names).to_string()]
    if len(names) < 3:
        return "\n".join(lines)
    result = ranking(found)
    apart = [
        f"{one} and {two} (Nemenyi p = {result.nemenyi.loc[one, two]:.4f}, Holm p = {result.holm.loc[one, two]:.4f})"
        for number, one in enumerate(result.average_ranks.index)
        for two in result.average_ranks.index[number + 1 :]
        if min(result.nemenyi.loc[one, two], result.holm.loc[one, two]) < 0.05
    ]
    lines += [
        "Average ranks: " + ", ".join(f"{name} {value:.2f}" for name, value in result.average_ranks.items()),
        f"Friedman's test that all are equal: chi-squared {result.statistic:.2f}, p = {result.p_value:.4f}"
        + (f" (an approximation, rough for {result.blocks})" if result.blocks < 10 else ""),
        f"Critical difference (Nemenyi, 0.05): {result.critical_difference:.2f}; told apart over datasets and tasks: "
        + ("; ".join(apart) or "none"),
    ]
    return "\n".join(lines)


def _in_all(found: Sequence[Contest]) -> list[str]:
    return [name for name in found[0].scores if all(name in each.scores for each in found)]


def _heading(contest: Contest) -> str:
    fewer = f", the first of up to {contest.most:,}: those that all have" if contest.most > contest.tasks else ""
    return f"{contest.title}, on the same {contest.tasks:,} test tasks{fewer}:"


def _figures(scores: NDArray[np.float64], measure: Measure) -> str:
    bounded = measure.percent
    estimate = mean_interval(scores.mean(0), bounded=bounded)
    text = measure.interval(estimate.mean, estimate.half_width)
    if len(scores) == 1:
        return text
    of_seeds = seed_interval(scores, bounded=bounded)
    low, high = measure.text(of_seeds.estimate.low), measure.text(of_seeds.estimate.high)
    parts = (f"{measure.scale * part:.{measure.digits}f}" for part in (of_seeds.seed, of_seeds.task, of_seeds.rest))
    return f"{text}; over {len(scores)} seeds {low} to {high} (deviation of seed, task, rest: {', '.join(parts)})"
