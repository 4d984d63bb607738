"""The verbs of the command line, as calls."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

import metabench
from metabench import EmbeddingLearner
from metabench.board.columns import COLUMNS
from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.learner import EpisodeFeatures
from metabench.registry import get_learner
from metabench.stats.comparison import compare as compare_scores
from tests.made_records import write_run

QUICK = {"ways": 3, "shots": 1, "queries": 5, "episodes": 20, "validation_episodes": 4}


class Means(EmbeddingLearner):
    """Pixels, and the nearest class mean."""

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        shots = features.support.unflatten(1, (features.ways, -1))
        return -(features.query[:, :, None] - shots.mean(2)[:, None]).square().sum(3)


def test_a_class_is_run_as_it_is(tmp_path: Path) -> None:
    record = metabench.run(learner=Means, **QUICK, output=tmp_path)
    assert record.config.learner == f"{__name__}:Means"
    assert record.score.mean > 1 / 3
    assert metabench.run(learner=get_learner("nearest"), **QUICK, output=tmp_path).config.learner == "nearest"


def test_what_is_no_class_to_find_again_is_refused(tmp_path: Path) -> None:
    class Hidden(Means):
        pass

    with pytest.raises(UsageError, match="Hidden is defined inside a function; define it at the top of a module"):
        metabench.run(learner=Hidden, **QUICK, output=tmp_path)
    with pytest.raises(UsageError, match="give a name or a class that derives from Learner; found 3"):
        metabench.run(learner=3, **QUICK, output=tmp_path)  # type: ignore[arg-type]


def test_the_leaderboard_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, mean in enumerate((0.5, 0.75)):
        write_run(tmp_path / f"run{seed}", np.full(20, mean), learner="maml", seed=seed, ways=5)
    write_run(tmp_path / "other", np.full(20, 0.5), learner="protonet", ways=3)
    table = metabench.leaderboard(tmp_path)
    assert list(table) == list(COLUMNS)
    assert dict(zip(table["learner"], table["seeds"], strict=True)) == {"maml": 2, "protonet": 1}
    assert metabench.leaderboard(tmp_path, ways=3)["learner"].tolist() == ["protonet"]
    assert metabench.leaderboard(str(tmp_path), dataset=["glyphs"]).equals(table)
    with pytest.raises(SystemExit):
        main(["leaderboard", "--results", str(tmp_path)])
    capsys.readouterr()
    written = pd.read_csv(tmp_path / "leaderboard.csv", keep_default_na=False)
    assert written["mean"].tolist() == table["mean"].tolist()
    assert written["settings"].tolist() == table["settings"].tolist()
    with pytest.raises(UsageError, match="the leaderboard has no filter 'way'; did you mean 'ways'"):
        metabench.leaderboard(tmp_path, way=3)
    (tmp_path / "other" / "record.json").write_text("{}")
    with pytest.warns(UserWarning, match="is not a valid record: .*; it is skipped"):
        assert len(metabench.leaderboard(tmp_path)) == 1


def test_a_comparison_is_a_table(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random((2, 2, 30))
    for learner, of_learner in zip(("maml", "protonet"), scores, strict=True):
        for seed, row in enumerate(of_learner):
            write_run(tmp_path / f"{learner}{seed}", row, learner=learner, seed=seed)
    folders = [tmp_path / f"{learner}{seed}" for learner in ("maml", "protonet") for seed in (0, 1)]
    (row,) = metabench.compare(*folders).to_dict("records")
    expected = compare_scores(*scores.round(6)).learners
    assert expected
    assert row["difference"] == pytest.approx(100 * expected.mean, abs=1e-4)
    assert (row["low"], row["high"]) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-4)
    assert (row["first"], row["second"], row["covers"], row["seeds"]) == ("maml", "protonet", "seeds and tasks", (2, 2))
    (alone,) = metabench.compare(str(folders[0]), folders[2]).to_dict("records")
    assert (alone["covers"], alone["tasks"]) == ("tasks", 30)


def test_the_version_is_the_packages() -> None:
    for command in ([sys.executable, "-m", "metabench", "--version"], ["metabench", "--version"]):
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert shown == f"metabench {metabench.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", metabench.__version__)
