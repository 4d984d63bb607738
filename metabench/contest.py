"""Contest: learners whose records are of the same test tasks, and what can be said of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from episodes.names import join_names
from metabench.aggregate import improvement, interquartile_mean, interval
from metabench.comparison import compare, tasks_to_tell, verdict
from metabench.config import describe_task
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.measure import Measure
from metabench.ranking import FEWEST_BLOCKS, Entrant, Ranking, outcomes, places, rank, win_tie_loss
from metabench.reading import read_record, record_file
from metabench.records import RunRecord
from metabench.row import settings
from metabench.stats import mean_interval, seed_interval

WIDTH = 80  # of a terminal's line


@dataclass(frozen=True)
class Contest:
    """Learners on the same test tasks.

    Attributes:
        dataset: its name.
        task: what the tasks are.
        measure: what they are scored by.
        scores: by learner, `[seeds, tasks]`, the same tasks for all.
        most: tasks of the record that has most; more than are compared where another has fewer.
        seedless: learners without training, whose scores depend on no seed.
    """

    dataset: str
    task: str
    measure: Measure
    scores: dict[str, NDArray[np.float64]]
    most: int
    seedless: frozenset[str] = field(default_factory=frozenset)

    @property
    def title(self) -> str:
        return f"{self.dataset}, {self.task}"

    @property
    def tasks(self) -> int:
        return int(next(iter(self.scores.values())).shape[1])

    def entrants(self, names: Iterable[str]) -> list[Entrant]:
        return [Entrant(self.scores[name], name not in self.seedless) for name in names]


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
    names = [learner_name(record) for _, record, _ in records]
    if len(records) == 2 and names[0] == names[1]:
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
    found = [_contest(group) for group in groups.values() if len({name for name, _ in group}) > 1]
    if not found:
        _refuse(records)
    return found


def same_tasks(record: RunRecord) -> dict[str, object]:
    """What decides which tasks a record is of, all but their number: task i of the same is the same."""
    config = record.config.changed(train_task=())
    return {
        "test images": record.dataset.fingerprints.test[:8],
        "frozen tasks": record.dataset.tasks[:8] if record.dataset.tasks else "none",
        **{name: config[name] for name in ("ways", "shots", "queries")},
        "task": config.variant or "plain",
        "test seed": config.test.test_seed,
        "measure": record.score.measure.name,
    }


def learner_name(record: RunRecord) -> str:
    """The learner, and whatever was changed in how it was trained."""
    config = record.config
    changes = [settings(record)] if settings(record) else []
    changes += [f"trained on {config.data.dataset}"] if config.data.test_dataset else []
    changes += ["trained on " + " and ".join(map(join_names, config.task.train_task))] if config.task.train_task else []
    return plain(config.learner + (f" ({'; '.join(changes)})" if changes else ""))


def _contest(group: dict[tuple[str, int], tuple[Path, RunRecord, NDArray[np.float64]]]) -> Contest:
    counts = [len(scores) for _, _, scores in group.values()]
    record = next(iter(group.values()))[1]
    by_name: dict[str, list[NDArray[np.float64]]] = {}
    for (name, _), (_, _, scores) in sorted(group.items(), key=lambda item: item[0][1]):
        by_name.setdefault(name, []).append(scores[: min(counts)])
    config = record.config.changed(train_task=())
    dataset, task = (
        plain(config.data.test_dataset or record.dataset.name),
        plain(describe_task(config, record.regression)),
    )
    in_order = {name: np.stack(by_name[name]) for name in dict.fromkeys(name for name, _ in group)}
    seedless = frozenset(name for (name, _), (_, each, _) in group.items() if not each.seeded)
    return Contest(dataset, task, record.score.measure, in_order, max(counts), seedless)


def _refuse(records: Sequence[tuple[Path, RunRecord, NDArray[np.float64]]]) -> None:
    (first, one, _), (second, other, _) = records[:2]
    mine, theirs = same_tasks(one), same_tasks(other)
    differing = "; ".join(f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name])
    raise UsageError(
        f"'{first}' and '{second}' were not scored on the same tasks ({differing}); give runs of the same dataset, "
        "task and --test-seed"
    )


def describe_pair(contest: Contest) -> str:
    """Two learners: their values, the verdict, what it covers, and how many tasks a small difference takes."""
    (first, one), (second, two) = contest.scores.items()
    measure = contest.measure
    found = compare(one, two, seeded=(first not in contest.seedless, second not in contest.seedless))
    margin = 0.01 if measure.percent else 0.1 * min(one.mean(), two.mean())
    what = "1 point" if measure.percent else f"{margin:.{measure.digits}f}, a tenth of the lower error,"
    lines = [_heading(contest), *_table(contest)]
    lines += verdict(found, first, second, measure)
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
    ranks = places(contest.entrants(names), contest.measure.more_is_better)
    lines = [_heading(contest), *_table(contest, ranks)]
    if not all(ranks):
        lines.append("There are no ranks: no learner here has two training seeds to tell how far seeds differ.")
        return _wrapped(lines)
    found = outcomes(contest.entrants(names), contest.measure.more_is_better)
    tied = [f"{names[one]} and {names[two]}" for one, two in zip(*np.nonzero(np.triu(found == 0, 1)), strict=True)]
    end = f"Not significantly different: {'; '.join(tied)}." if tied else "All pairs differ significantly."
    return _wrapped([*lines, f"{end} (Over seeds and tasks, Holm, 5% for the whole table.)"])


def ranking(found: Sequence[Contest]) -> Ranking:
    """The learners that are in all contests, ranked over datasets: a dataset is one block, its tasks' mean.

    Raises:
        UsageError: fewer than three learners, or than five datasets.
    """
    names = _in_all(found)
    blocks = {each.dataset: [other for other in found if other.dataset == each.dataset] for each in found}
    if len(blocks) < FEWEST_BLOCKS or len(names) < 3:
        raise UsageError(
            f"a ranking over datasets needs three learners, each on {FEWEST_BLOCKS} or more of them; found "
            f"{len(names)} on {len(blocks)}"
        )
    means = [
        [
            np.mean([(1 if each.measure.more_is_better else -1) * each.scores[name].mean() for each in of])
            for name in names
        ]
        for of in blocks.values()
    ]
    return rank(pd.DataFrame(means, index=list(blocks), columns=names))


def describe_ranking(found: Sequence[Contest]) -> str:
    """Over boards wins, ties and losses, and aggregates; from five datasets on the tests of Friedman and Nemenyi."""
    names = _in_all(found)
    if len(names) < 2:
        return f"No two learners are on all {len(found)} boards: nothing is said over them."
    tables = [outcomes(each.entrants(names), each.measure.more_is_better) for each in _judged(found, names)]
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


def _in_all(found: Sequence[Contest]) -> list[str]:
    return [name for name in found[0].scores if all(name in each.scores for each in found)]


def _judged(found: Sequence[Contest], names: Sequence[str]) -> list[Contest]:
    """The contests in which each of the learners has a rank."""
    return [each for each in found if all(places(each.entrants(names)))]


def _heading(contest: Contest) -> str:
    fewer = f", the first of up to {contest.most:,}: those that all have" if contest.most > contest.tasks else ""
    return f"{contest.title}, on the same {contest.tasks:,} test tasks{fewer}:"


def _table(contest: Contest, ranks: Sequence[object] | None = None) -> list[_Verbatim | str]:
    """A row a learner, the best first, with the legend."""
    measure, rows = contest.measure, []
    for number, (name, scores) in enumerate(contest.scores.items()):
        of_tasks = mean_interval(scores.mean(0), bounded=measure.percent)
        over_seeds, seeds = "", len(scores)
        if name in contest.seedless:
            over_seeds, seeds = "none", 1
        elif seeds > 1:
            estimate = seed_interval(scores, bounded=measure.percent).estimate
            over_seeds = f"{measure.scale * estimate.half_width:.{measure.digits}f}"
        row = {
            "mean": measure.text(of_tasks.mean),
            "± seeds": over_seeds or "?",
            "± tasks": f"{measure.scale * of_tasks.half_width:.{measure.digits}f}",
            "seeds": "-" if name in contest.seedless else str(seeds),
            "learner": name,
        }
        rows.append({"rank": str(ranks[number] or "-"), **row} if ranks else row)
    order = np.argsort([scores.mean() for scores in contest.scores.values()], kind="stable")
    table = pd.DataFrame(rows).iloc[order[::-1] if measure.more_is_better else order]
    # The name last and to the left, since it may be long.
    wide = table["learner"].str.len().max()
    table = table.assign(learner=table["learner"].str.ljust(wide))
    lines = table.rename(columns={"learner": "learner".ljust(wide)}).to_string(index=False).splitlines()
    legend = "± seeds: 95% interval over training seeds and test tasks"
    legend += ", ? with a single seed" if "?" in set(table["± seeds"]) else ""
    legend += "; ± tasks: of these networks, over test tasks alone."
    if ranks and any("*" in str(place) for place in ranks):
        legend += " *: one training seed, its variance borrowed from the others'."
    return [*(_Verbatim(line.rstrip()) for line in lines), legend]


def _matrix(table: pd.DataFrame, names: Sequence[str]) -> list[_Verbatim]:
    """Rows by number and name, columns by number alone, so that long names do not widen it."""
    numbered = table.rename(index={str(number): f"{number} {name}" for number, name in enumerate(names, start=1)})
    return [_Verbatim(line.rstrip()) for line in numbered.to_string().splitlines()]


def _aggregates(found: Sequence[Contest], names: Sequence[str]) -> list[str]:
    """Interquartile means and probabilities of improvement, of learners with two seeds or more on all boards."""
    if len({each.measure.name for each in found}) > 1:
        return []
    measure = found[0].measure
    several = [
        name for name in names if all(len(each.scores[name]) > 1 and name not in each.seedless for each in found)
    ]
    boards = {name: [each.scores[name].mean(1) for each in found] for name in several}
    order = sorted(several, key=lambda name: interquartile_mean(boards[name]), reverse=measure.more_is_better)
    lines = []
    for name in order:
        estimate = interval(interquartile_mean, boards[name])
        low, high = measure.text(estimate.low), measure.text(estimate.high)
        lines.append(f"Interquartile mean of {name}: {measure.text(estimate.mean)} ({low} to {high} over seeds).")
    for one, two in pairwise(order):
        pair = (boards[one], boards[two]) if measure.more_is_better else (boards[two], boards[one])
        estimate = interval(improvement, *pair)
        lines.append(
            f"A seed of {one} is better than one of {two} with probability {estimate.mean:.2f} "
            f"({estimate.low:.2f} to {estimate.high:.2f})."
        )
    return lines
