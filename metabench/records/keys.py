"""Runs, and what makes them one row of the leaderboard, and rows one board."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from episodes.names import join_names
from metabench.config import NUMBERS, SETTINGS, RunConfig
from metabench.escape import plain
from metabench.records.record import Banks, DatasetInfo, RunRecord
from metabench.records.selection import written


class Board(NamedTuple):
    """What a record can be compared on: with the same one it was scored on tasks of one kind, of the same images."""

    dataset: str
    split: str
    ways: int | None
    shots: int | None
    queries: int | None
    task: str
    test_fingerprint: str
    metric: str


class Row(NamedTuple):
    """What makes runs one row: they differ in seeds, places and times alone."""

    board: Board
    fingerprints: Banks[str]
    image_shape: tuple[int, ...]
    learner: str
    settings: str


def task(record: RunRecord) -> str:
    """What makes the test tasks other than plain N-way K-shot."""
    frozen = f"tasks={record.dataset.tasks[:8]}" if record.dataset.tasks else ""
    return "; ".join(part for part in (record.config.variant, frozen) if part)


def settings(record: RunRecord) -> str:
    """What was changed from the defaults, as `name=value` in the order of the names.

    An option that was chosen has all values that were tried, or the range that they are from, so that runs with other
    seeds are of the same row, whatever each chose.
    """
    changed = dict(record.changed_options)
    if record.weights:  # two files may have one name
        changed["weights"] = f"{record.weights.file}@{record.weights.sha256[:8]}"
    if record.config.training.precision != "float32":
        changed["precision"] = record.config.training.precision
    if record.config.training.validation_episodes != SETTINGS["validation_episodes"].default:
        changed["validation_episodes"] = record.config.training.validation_episodes
    if not record.config.numbers:  # of training alone
        ours = {name: (record.config[name], SETTINGS[name].default) for name in NUMBERS}
        changed |= {name: value for name, (value, default) in ours.items() if value != default}
    texts = {name: _text(value) for name, value in changed.items()}
    if selection := record.selection:
        for name in selection.names:
            axis = selection.searched[name] if selection.searched else [each.options[name] for each in selection.tries]
            texts[name] = written(axis, _text)
        texts["tries"] = str(len(selection.tries))
    return " ".join(f"{name}={text}" for name, text in sorted(texts.items()))


def _text(value: Any) -> str:
    return json.dumps(value).strip('"')


def board_of(record: RunRecord) -> Board:
    """The board that it belongs to."""
    dataset, numbers = record.dataset, record.config.numbers
    return Board(
        dataset=dataset.name,
        split=dataset.split,
        ways=numbers.get("ways"),
        shots=numbers.get("shots"),
        queries=numbers.get("queries"),
        task=task(record),
        test_fingerprint=dataset.fingerprints.test,
        metric=record.scored_by.name,
    )


def row_of(record: RunRecord) -> Row:
    """The row that it belongs to, by itself or with others."""
    dataset = record.dataset
    return Row(board_of(record), dataset.fingerprints, dataset.image_shape, record.config.learner, settings(record))


def run_digest(
    config: RunConfig, data: DatasetInfo, weights: str | None, names: Sequence[str] = (), space: Any = None
) -> str:
    """What makes a run the same run, wherever and whenever it is made: settings with their defaults, and data.

    The device and the number of threads are no part of it, as they are none of a `Row`; precision is. Where tasks are
    drawn until an interval is reached, their number is a result.

    Args:
        config: as resolved, or as a record has it.
        data: the record's, or as they were read.
        weights: SHA-256 of the file of weights.
        names: of options that are chosen: their values are a result.
        space: what they are chosen from (see `metabench.records.selection.Selection.space`).

    Returns:
        32 hexadecimal digits.
    """
    settings = config.recorded.model_dump(mode="json", exclude={"machine"})
    if config.test.until_interval:
        del settings["test"]["episodes"]
    for name in names:
        del settings["options"][name]
    facts = [settings, data.model_dump(mode="json"), weights, *([space] if names else [])]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def record_digest(record: RunRecord) -> str:
    """The `run_digest` of a finished run."""
    weights = record.weights.sha256 if record.weights else None
    if record.selection:
        return run_digest(record.config, record.dataset, weights, record.selection.names, record.selection.space)
    return run_digest(record.config, record.dataset, weights)


def same_tasks(record: RunRecord) -> dict[str, object]:
    """What decides which tasks a record is of, all but their number: task i of the same is the same."""
    config = record.config.changed(train_task=())
    return {
        "test data": record.dataset.fingerprints.test[:8],
        "frozen tasks": record.dataset.tasks[:8] if record.dataset.tasks else "none",
        **{name: config[name] for name in ("ways", "shots", "queries")},
        "task": config.variant or "plain",
        "test seed": config.test.test_seed,
        "metric": record.scored_by.label,
    }


def learner_name(record: RunRecord) -> str:
    """The learner, and whatever was changed in how it was trained."""
    config = record.config
    changes = [settings(record)] if settings(record) else []
    changes += [f"trained on {config.data.dataset}"] if config.data.test_dataset else []
    changes += ["trained on " + " and ".join(map(join_names, config.task.train_task))] if config.task.train_task else []
    return plain(config.learner + (f" ({'; '.join(changes)})" if changes else ""))
