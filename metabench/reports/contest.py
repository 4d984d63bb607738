"""Contest: learners whose records are of the same test tasks, and what can be said of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench.config import describe_task
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.metrics.metric import Metric
from metabench.records.keys import learner_name, same_tasks
from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord
from metabench.records.reference import with_reference
from metabench.stats.comparison import Comparison
from metabench.stats.comparison import compare as compare_scores
from metabench.stats.ranking import FEWEST_BLOCKS, Entrant, Ranking, places, rank


@dataclass(frozen=True)
class Contest:
    """Learners on the same test tasks.

    Attributes:
        dataset: its name.
        task: what the tasks are.
        metric: what they are scored by.
        scores: by learner, `[seeds, tasks]`, the same tasks for all.
        most: tasks of the record that has most; more than are compared where another has fewer.
        seedless: learners without training, whose scores depend on no seed.
        transductive: learners whose predictions may depend on a task's other queries.
    """

    dataset: str
    task: str
    metric: Metric
    scores: dict[str, NDArray[np.float64]]
    most: int
    seedless: frozenset[str] = field(default_factory=frozenset)
    transductive: frozenset[str] = field(default_factory=frozenset)

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.task}"

    @property
    def tasks(self) -> int:
        return int(next(iter(self.scores.values())).shape[1])

    def pair(self, first: str, second: str) -> Comparison:
        """How the scores of two of the learners differ: the first's less the second's."""
        seeded = (first not in self.seedless, second not in self.seedless)
        return compare_scores(self.scores[first], self.scores[second], seeded=seeded)

    def entrants(self, names: Iterable[str]) -> list[Entrant]:
        return [Entrant(self.scores[name], name not in self.seedless) for name in names]


def compare(*records: str | Path, reference: bool = False) -> pd.DataFrame:
    """Which learner is better on the same tasks: `metabench compare` as a call.

    Args:
        records: run folders, or their record files.
        reference: whether to compare with the reference records of the same tasks too.

    Returns:
        A row for each pair of learners on each dataset and task, with the columns `dataset`, `task`, `metric`,
        `first`, `second`, `difference` of their means (first less second; accuracies in points), its 95% interval
        `low` to `high`, `p_value`, `covers` (over which of tasks and training seeds), `seeds` of each, whether each is
        `transductive`, and `tasks`.
        With one training seed of either learner, the interval and p-value are of these networks alone.

    Raises:
        UsageError: a record cannot be read, or there are no two learners of the same tasks.
    """
    paths = tuple(map(Path, records))
    rows = []
    for contest in contests(with_reference(paths) if reference else paths):
        for first, second in itertools.combinations(contest.scores, 2):
            found = contest.pair(first, second)
            of, scale = found.difference, contest.metric.scale
            rows.append(
                {
                    "dataset": contest.dataset,
                    "task": contest.task,
                    "metric": contest.metric.name,
                    "first": first,
                    "second": second,
                    "difference": scale * of.mean,
                    "low": scale * of.low,
                    "high": scale * of.high,
                    "p_value": found.p_value,
                    "covers": "seeds and tasks" if found.learners else "tasks",
                    "seeds": (len(contest.scores[first]), len(contest.scores[second])),
                    "transductive": (first in contest.transductive, second in contest.transductive),
                    "tasks": contest.tasks,
                }
            )
    return pd.DataFrame(rows)


def contests(paths: Sequence[Path]) -> list[Contest]:
    """The records at the paths by the tasks they are of; runs that differ in the training seed alone are one learner.

    Two paths are two learners, whatever they are.

    Args:
        paths: run folders, or their record files.

    Raises:
        UsageError: a record cannot be read, only one learner is given, no two are of the same tasks or of more than
            one, or a run is there twice.
    """
    records = [(path, *read_record(record_file(path))) for path in paths]
    names = [learner_name(record) for _, record, _ in records]
    if len(records) == 2 and names[0] == names[1]:
        _refuse_copies(records)
        names = [str(path) for path in paths]
    if len(set(names)) < 2:
        raise UsageError(
            f"there is only one learner to compare, {names[0] if names else 'none'}; give the runs of another too"
        )
    groups: dict[tuple[object, ...], dict[tuple[str, int], tuple[Path, RunRecord, NDArray[np.float64]]]] = {}
    for name, (path, record, scores) in zip(names, records, strict=True):
        group = groups.setdefault(tuple(same_tasks(record).values()), {})
        key = (name, record.config.training.seed)
        if key in group:
            raise UsageError(
                f"'{group[key][0]}' and '{path}' are both of {name}, seed {record.config.training.seed}, on the same "
                "tasks; leave one of them out"
            )
        group[key] = (path, record, scores)
    shared = [group for group in groups.values() if len({name for name, _ in group}) > 1]
    if not shared:
        _refuse(records)
    found = [group for group in shared if min(len(scores) for _, _, scores in group.values()) > 1]
    if not found:
        first, other = [path for path, *_ in shared[0].values()][:2]
        raise UsageError(
            f"'{first}' and '{other}' have one test task, and learners are compared over the tasks that they share; "
            "give runs of several"
        )
    return [_contest(group) for group in found]


def _contest(group: dict[tuple[str, int], tuple[Path, RunRecord, NDArray[np.float64]]]) -> Contest:
    counts = [len(scores) for _, _, scores in group.values()]
    record = next(iter(group.values()))[1]
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    for (name, _), (_, _, scores) in sorted(group.items(), key=lambda item: item[0][1]):
        by_name.setdefault(name, []).append(scores[: min(counts)])
    config = record.config.changed(train_task=())
    dataset = plain(config.data.test_dataset or record.dataset.name)
    task = plain(describe_task(config, record.regression))
    in_order = {name: np.stack(by_name[name]) for name in dict.fromkeys(name for name, _ in group)}
    seedless = frozenset(name for (name, _), (_, each, _) in group.items() if not each.seeded)
    transductive = frozenset(name for (name, _), (_, each, _) in group.items() if each.transductive)
    return Contest(dataset, task, record.scored_by, in_order, max(counts), seedless, transductive)


def _refuse_copies(records: Sequence[tuple[Path, RunRecord, NDArray[np.float64]]]) -> None:
    (first, one, scores), (second, other, others) = records
    if one.seeded and one.config.training.seed == other.config.training.seed and np.array_equal(scores, others):
        raise UsageError(f"'{first}' and '{second}' are the same run; give a run of another learner or seed")


def _refuse(records: Sequence[tuple[Path, RunRecord, NDArray[np.float64]]]) -> None:
    (first, one, _), (second, other, _) = records[:2]
    mine, theirs = same_tasks(one), same_tasks(other)
    differing = "; ".join(f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name])
    raise UsageError(
        f"'{first}' and '{second}' were not scored on the same tasks ({differing}); give runs of the same dataset, "
        "task and --test-seed"
    )


def ranking(found: Sequence[Contest]) -> Ranking:
    """The learners that are in all contests, ranked over datasets: a dataset is one block, its tasks' mean.

    Raises:
        UsageError: fewer than three learners, or than five datasets.
    """
    names = in_all(found)
    blocks = {each.dataset: [other for other in found if other.dataset == each.dataset] for each in found}
    if len(blocks) < FEWEST_BLOCKS or len(names) < 3:
        raise UsageError(
            f"a ranking over datasets needs three learners, each on {FEWEST_BLOCKS} or more of them; found "
            f"{len(names)} on {len(blocks)}"
        )
    means = [
        [
            np.mean([(1 if each.metric.more_is_better else -1) * each.scores[name].mean() for each in of])
            for name in names
        ]
        for of in blocks.values()
    ]
    return rank(pd.DataFrame(means, index=list(blocks), columns=names))


def in_all(found: Sequence[Contest]) -> list[str]:
    return [name for name in found[0].scores if all(name in each.scores for each in found)]


def judged(found: Sequence[Contest], names: Sequence[str]) -> list[Contest]:
    """The contests in which each of the learners has a rank."""
    return [each for each in found if all(places(each.entrants(names)))]
