import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from episodes import DataError, EpisodeSampler, FixedTask, ImageBank, VariableTask
from episodes.sampling.manifest import HEADER, PARTS, Manifest, read_manifest, write_manifest
from episodes.tasks.task import Task
from tests.made_banks import numbered_bank

BANK = numbered_bank((30, 31, 32, 33, 34, 35, 30, 30))


def frozen(path: Path, task: Task, bank: ImageBank = BANK, count: int = 7) -> Manifest:
    source = EpisodeSampler(bank, task, seed=2)
    settings = {"ways": 3, "label_noise": getattr(task, "label_noise", 0.0)}
    return write_manifest(path, bank, (source.drawn([number]) for number in range(count)), settings)


@pytest.mark.parametrize("task", [FixedTask(3, 2, 4, unlabelled=2, label_noise=0.5), VariableTask()])
def test_what_is_read_is_what_was_frozen(tmp_path: Path, task: Task) -> None:
    written = frozen(tmp_path / "t.parquet", task)
    read = read_manifest(tmp_path / "t.parquet")
    assert (read.digest, read.settings, len(read.episodes)) == (written.digest, written.settings, 7)
    source, drawn = read.source(BANK), EpisodeSampler(BANK, task, seed=2)
    for number in range(7):
        first, second = vars(source.indices([number])), vars(drawn.indices([number]))
        assert all(np.array_equal(first[part], second[part]) for part in first)
        assert source.batch([number]).support.flatten().tolist() == first["support"].flatten().tolist()


def test_a_stranger_can_read_the_file(tmp_path: Path) -> None:
    frozen(tmp_path / "t.parquet", FixedTask(3, 2, 4))
    table = pd.read_parquet(tmp_path / "t.parquet")
    row = table.iloc[4]
    classes = BANK.labels.numpy()[row.support.reshape(3, 2)[:, 0]]
    assert row.class_names.tolist() == [f"class{number}" for number in classes]


def test_fixed_tasks_make_batches_and_others_do_not(tmp_path: Path) -> None:
    frozen(tmp_path / "t.parquet", FixedTask(3, 2, 4))
    source = read_manifest(tmp_path / "t.parquet").source(BANK)
    assert source.one_shape
    assert source.batch([6, 0, 2]).query.shape == (3, 12, 1, 1, 1)
    with pytest.raises(DataError, match="there is no task 7 for 'numbered': it has 7, from 0 on"):
        source.batch([7])
    frozen(tmp_path / "v.parquet", VariableTask())
    source = read_manifest(tmp_path / "v.parquet").source(BANK)
    assert not source.one_shape
    with pytest.raises(DataError, match="draw them one at a time"):
        source.batch(range(7))


def test_other_images_are_refused(tmp_path: Path) -> None:
    frozen(tmp_path / "t.parquet", FixedTask(3, 2, 4))
    other = numbered_bank((30, 31, 32, 33, 34, 35, 30, 31))
    with pytest.raises(DataError, match=r"are of the images 'numbered' with fingerprint .{8}; 'numbered' has"):
        read_manifest(tmp_path / "t.parquet").source(other)


@pytest.mark.parametrize("what", ["image", "label", "settings", "row"])
def test_an_edited_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "t.parquet"
    frozen(path, FixedTask(3, 2, 4))
    table = pq.read_table(path)
    header = json.loads(table.schema.metadata[HEADER])
    columns = table.to_pydict()
    if what == "image":
        columns["query"][3][0] += 1
    elif what == "label":
        columns["support_labels"][0][0] = 2
    elif what == "settings":
        header["settings"]["ways"] = 4
    else:
        columns = {name: values[:-1] for name, values in columns.items()}
    changed = type(table).from_pydict(columns).replace_schema_metadata({HEADER: json.dumps(header).encode()})
    pq.write_table(changed, path)
    with pytest.raises(DataError, match="were changed after they were frozen"):
        read_manifest(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"--tasks '.*t.parquet' is no file; give one that `metabench episodes freeze`"):
        read_manifest(tmp_path / "t.parquet")


TASK = EpisodeSampler(BANK, FixedTask(3, 2, 4, unlabelled=1), seed=2).drawn([0])
OTHER = EpisodeSampler(BANK, FixedTask(8, 1, 4), seed=2).indices([0]).support  # an image of each class


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *[("query", -1), ("support", 255), ("support_labels", 3), ("query_labels", -1), ("classes", -1)],
        *[("query", TASK.support[0, 0]), ("support", TASK.support[0, 1]), ("unlabelled", TASK.query[0, 0])],
        *[("query_labels", 1), ("support_labels", 1), ("classes", TASK.classes[0, 1])],
        *[(part, next(n for n in OTHER[0] if BANK.labels[n] not in TASK.classes)) for part in ("support", "query")],
    ],
)
def test_what_is_no_task_is_refused(tmp_path: Path, part: str, value: int) -> None:
    """As a file may have whose maker computed the digest too."""
    values = getattr(TASK, part).copy()
    values[0, 0] = value
    path, message = tmp_path / "t.parquet", r"task 0 in '.*' has images, labels or classes that do not fit each other"
    write_manifest(path, BANK, [TASK], {})
    read_manifest(path).source(BANK)
    write_manifest(path, BANK, [replace(TASK, **{part: values})], {})
    with pytest.raises(DataError, match=message):
        read_manifest(path).source(BANK)


def test_labels_without_an_image_and_queries_of_none_are_refused(tmp_path: Path) -> None:
    path, none = tmp_path / "t.parquet", np.zeros((1, 0), dtype=np.int64)
    unheard = {"support": TASK.support[:, :4], "support_labels": TASK.support_labels[:, :4]}
    cut: list[dict[str, np.ndarray[Any, Any]]] = [
        *[unheard, {"query": TASK.query[:, :4]}, {"support_labels": TASK.support_labels[:, :4]}],
        {"query": none, "query_labels": none},
    ]
    for parts in cut:
        write_manifest(path, BANK, [replace(TASK, **parts)], {"label_noise": 0.5})
        with pytest.raises(DataError, match="that do not fit each other"):
            read_manifest(path).source(BANK)


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read --tasks"):
        read_manifest(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    header = {"version": 1, "bank": "a", "fingerprint": "b", "digest": "c", "settings": {}}
    table = pa.table({part: [1] for part in PARTS}).replace_schema_metadata({HEADER: json.dumps(header).encode()})
    pq.write_table(table, tmp_path / "scalars.parquet")
    for name in ("text", "other", "scalars"):
        with pytest.raises(DataError, match="is not a file of frozen tasks; `metabench episodes freeze` makes one"):
            read_manifest(tmp_path / f"{name}.parquet")
    frozen(tmp_path / "t.parquet", FixedTask(3, 2, 4))
    table = pq.read_table(tmp_path / "t.parquet")
    header = {**json.loads(table.schema.metadata[HEADER]), "version": 9}
    pq.write_table(table.replace_schema_metadata({HEADER: json.dumps(header).encode()}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has frozen tasks of version 9; this metabench reads 1"):
        read_manifest(tmp_path / "t.parquet")
