"""A record with any one part wrong, and files with any bytes wrong: one line, or a table; never anything else."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabench.board.rows import entries
from metabench.board.text import csv, markdown, printable
from metabench.errors import UsageError
from metabench.records.command import command
from metabench.records.reader import read_record
from metabench.records.runs import read_runs
from metabench.reports.summary import summary
from tests.made_records import WEIGHTS, make_record, write_run

SCORES = np.linspace(0.4, 0.9, 12)
WRONG = (None, "", -1, 1e308, True, [], {"a": {"b": 1}}, "x" * 3000, "\x1b[2J", float("nan"), 2**70, "../../etc")
PARTS = json.loads(make_record(SCORES, weights=WEIGHTS).model_dump_json())


def places(part: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    for name, inner in part.items() if isinstance(part, dict) else ():
        yield from places(inner, (*place, name))


def with_part(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    record: dict[str, Any] = copy.deepcopy(PARTS)
    part = record
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    return record


def shown(folder: Path) -> str:
    """All that reads records without data or weights, or the error in its place."""
    try:
        record, _ = read_record(folder / "record.json")
    except UsageError as error:
        return str(error)
    rows = entries(read_runs(folder.parent)[0])
    return "".join((summary(record), command(record) or "", csv(rows), markdown(rows), printable(rows, 80)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_run(tmp_path / "other", SCORES, learner="other")
    return write_run(tmp_path / "run", SCORES).parent


@pytest.mark.parametrize("place", [*places(PARTS)], ids="/".join)
def test_a_record_with_one_part_wrong_is_one_line_or_a_table(place: tuple[Any, ...], folder: Path) -> None:
    for value in WRONG:
        (folder / "record.json").write_text(json.dumps(with_part(place, value)))
        said = shown(folder)
        assert "\x1b" not in said
        assert len(said.splitlines()) > 10 or len(said) < 1000


@pytest.mark.parametrize("name", ["record.json", "scores.csv"])
@pytest.mark.parametrize("seed", range(10))
def test_files_with_wrong_bytes_are_one_line_or_a_table(name: str, seed: int, folder: Path) -> None:
    whole, draw = (folder / name).read_bytes(), random.Random(seed)
    for _ in range(10):
        content, place = bytearray(whole), draw.randrange(len(whole))
        match draw.choice(("bytes", "end", "twice", "zeros")):
            case "bytes":
                content[place : place + 3] = draw.randbytes(3)
            case "end":
                del content[place:]
            case "twice":
                content[place:place] = content[max(0, place - 40) : place]
            case "zeros":
                content[place : place + 20] = bytes(20)
        (folder / name).write_bytes(content)
        assert shown(folder)
