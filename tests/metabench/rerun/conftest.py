"""Runs that are taken up again: of made texts, and of a student of glyphs."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metabench

OF_TEXTS: dict[str, dict[str, Any]] = {
    "tfidf": {},
    "finetune": {"backbone": "bert-tiny", "steps": 2},
    "protonet": {"steps": 0, "train_ways": 4},
}
STUDENT: dict[str, Any] = {
    **{"ways": 3, "shots": 2, "queries": 5, "episodes": 20, "validation_episodes": 4, "threads": 1},
    **{"learner": "distill", "options": {"backbone": "conv4:4", "teacher_backbone": "conv4:8", "steps": 10}},
}
QUICK = {"queries": 4, "episodes": 6, "validation_episodes": 2, "device": "cpu"}


def written(path: Path, rows: list[tuple[str, ...]], *columns: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 15 classes of 12 texts: words of their class among others."""
    random = np.random.default_rng(0)
    words = np.array([a + b for a in ("ta", "me", "ri", "so", "lu", "ke") for b in ("ban", "dor", "fin", "gus")])
    rows = []
    for number in range(15):
        own = random.choice(words, 4, replace=False)
        for _ in range(12):
            text = [*random.choice(own, 3), *random.choice(words, 3)]
            rows.append((" ".join(random.permutation(text)), f"class {number:02}"))
    return written(tmp_path_factory.mktemp("texts") / "texts.csv", rows, "text", "label")


@pytest.fixture(scope="session")
def of_texts(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a run of these texts, of one of OF_TEXTS: its folder."""
    output, made = tmp_path_factory.mktemp("runs"), {}

    def run(learner: str) -> Path:
        if learner not in made:
            settings = {"dataset": f"csv:{texts}", "ways": 3, "shots": 2, "options": OF_TEXTS[learner], **QUICK}
            made[learner] = output / metabench.run(learner=learner, **settings, output=output).id
        return made[learner]

    return run


@pytest.fixture(scope="session")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of STUDENT, to be left as it is."""
    output = tmp_path_factory.mktemp("students")
    return output / metabench.run(**STUDENT, output=output).id


@pytest.fixture
def folder(distilled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(distilled, tmp_path / "run"))
