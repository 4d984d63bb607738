"""Reading records and ranking them, beside pandas reading no more than their tables."""

from pathlib import Path

import numpy as np
import pandas as pd
from pytest_benchmark.fixture import BenchmarkFixture

from metabench.board.rows import entries
from metabench.board.text import csv
from metabench.records.runs import read_runs
from tests.benchmarks.ratio import ratio_of_best
from tests.made_records import write_run

RECORDS = 100


def test_the_leaderboard_against_pandas(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(RECORDS):
        accuracies = generator.binomial(75, 0.8, 600) / 75
        write_run(tmp_path / str(number), accuracies, changed_options={"steps": number})
    tables = sorted(tmp_path.rglob("scores.csv"))

    def ours() -> None:
        assert csv(entries(read_runs(tmp_path)[0])).count("\n") == RECORDS + 1

    def theirs() -> None:
        for path in tables:
            pd.read_csv(path, index_col="episode")["learner"].mean()

    assert ratio_of_best(benchmark, ours, theirs) >= 0.9
