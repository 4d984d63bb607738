from pathlib import Path

import numpy as np

from metabench.records.provenance import ADDED_FILE, VERIFIED_FILE, mark, origin_of, values_digest
from tests.made_records import write_run


def test_a_change_of_any_file_of_values_makes_it_unverified_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", np.array([0.5, 0.75])).parent
    assert origin_of(folder) == "own"
    mark(folder, ADDED_FILE)
    assert origin_of(folder) == "unverified"
    mark(folder, VERIFIED_FILE, device="cpu")
    assert origin_of(folder) == "verified"
    (folder / "learner.pt").write_bytes(b"weights are checked by scoring them")
    assert origin_of(folder) == "verified"
    before = values_digest(folder)
    with (folder / "scores.csv").open("a") as file:
        file.write(" ")
    assert values_digest(folder) != before
    assert origin_of(folder) == "unverified"


def test_a_mark_that_is_damaged_is_no_mark(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", np.array([0.5, 0.75])).parent
    mark(folder, ADDED_FILE)
    for content in ("", "{", "[]", "{}", '{"digest": 3}'):
        (folder / VERIFIED_FILE).write_text(content)
        assert origin_of(folder) == "unverified"


def test_bytes_do_not_move_from_one_file_to_another(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", np.array([0.5, 0.75])).parent
    scores, predictions = folder / "scores.csv", folder / "predictions.parquet"
    whole = scores.read_bytes()
    scores.write_bytes(whole[:10])
    predictions.write_bytes(whole[10:])
    first = values_digest(folder)
    scores.write_bytes(whole[:12])
    predictions.write_bytes(whole[12:])
    assert values_digest(folder) != first
