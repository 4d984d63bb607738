from pathlib import Path

import numpy as np

from metabench.board.standing import standing
from tests.made_records import UNTRAINED, make_record, write_run

NOISE = np.random.default_rng(0).normal(0, 0.01, 100)
TASKS = np.random.default_rng(1).uniform(0.4, 0.6, 100)


def test_a_runs_place_among_the_records(tmp_path: Path) -> None:
    for learner, gain in (("best", 0.2), ("second", 0.1), ("mine", 0.0), ("worst", -0.2)):
        write_run(tmp_path / learner, TASKS + gain + NOISE * (learner != "mine"), learner=learner, **UNTRAINED)
    write_run(tmp_path / "twin", TASKS + NOISE[::-1], learner="twin", changed_options={"steps": 7}, **UNTRAINED)
    write_run(tmp_path / "elsewhere", TASKS + 0.3, learner="best", shots=7)
    own = make_record(TASKS, learner="mine", **UNTRAINED)
    assert standing(own, tmp_path) == (
        f"rank 3-4 of 5 on these tasks, of the records below {tmp_path}; after best, second; "
        "shares ranks with twin (steps=7)"
    )


def test_one_seed_borrows_or_has_none(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"best{seed}", TASKS + 0.2 + NOISE, learner="best", seed=seed)
    write_run(tmp_path / "mine", TASKS, learner="mine")
    own = make_record(TASKS, learner="mine")
    assert str(standing(own, tmp_path)).endswith("; after best (*: one seed, its variance borrowed)")
    write_run(tmp_path / "again", TASKS, learner="mine", seed=1)
    assert "rank 2 of 2 on these tasks" in str(standing(own, tmp_path))
    assert "over 2 seeds" in str(standing(own, tmp_path))


def test_alone_it_has_none(tmp_path: Path) -> None:
    own = make_record(TASKS)
    assert standing(own, tmp_path) is None
    write_run(tmp_path / "own", TASKS)
    assert standing(own, tmp_path) is None
    assert standing(own, tmp_path / "nowhere") is None
