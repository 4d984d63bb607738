"""Records without the runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from metabench.config import SETTINGS, make_config
from metabench.records.record import (
    Banks,
    DatasetInfo,
    PretrainedOn,
    RunRecord,
    Score,
    Training,
    WeightsInfo,
    write_scores,
)
from metabench.records.selection import Selection, Try

# Of a learner without training, whose scores depend on no seed: it is ranked by tasks alone.
UNTRAINED: dict[str, Any] = {"training": Training(curve=[], best={}, seconds=0.0, images=0), "outside_data": True}


def selection(**means: float | None) -> Selection:
    """A choice of `inner_steps` by these means: `selection(s1=0.5, s3=0.75)`."""
    tries = [
        Try(options={"inner_steps": int(name[1:])}, mean=mean, seconds=30.0, processor_seconds=20.0)
        for name, mean in means.items()
    ]
    return Selection(episodes=60, grid=max(4, len(tries)), tries=tuple(tries))


WEIGHTS = WeightsInfo(
    file="bert.safetensors",
    sha256="cd" * 32,
    stages=("masked-text", "simcse"),
    sources=(PretrainedOn(kind="dataset", name="clinc150", split="domains", fingerprint="ef" * 16),),
    texts=12_345,
)


def make_record(
    accuracies: np.ndarray,
    train_images: str = "01" * 16,
    test_images: str = "ab" * 16,
    class_split: str = "scripts",
    **changes: Any,
) -> RunRecord:
    """A record as a run would write it, for a learner with these accuracies; `changes` go to config or record.

    With dataset=sinusoid they are squared errors.
    """
    config = {name: changes.pop(name) for name in list(changes) if name in SETTINGS}
    metric = "squared_error" if config.get("dataset") == "sinusoid" else "accuracy"
    if metric == "squared_error":
        config["ways"] = 1
    parts = {
        "id": "a-run",
        "created": "2026-01-01T00:00:00+00:00",
        "config": make_config(**{"episodes": len(accuracies), "precision": "float32", **config}),
        "changed_options": {},
        "dataset": DatasetInfo(
            name=config.get("dataset", "glyphs"),
            kind="functions" if config.get("dataset") == "sinusoid" else "images",
            split=class_split,
            image_shape=(1, 28, 28),
            fingerprints=Banks(train=train_images, validation="12" * 16, test=test_images),
            classes=Banks(train=60, validation=20, test=20),
        ),
        "transductive": False,
        "outside_data": False,
        "test_classes": "no",
        "score": Score(metric=metric, mean=accuracies.mean(), half_width=0.01, parameters=10, task_milliseconds=2.0),
        "companions": {},
        "training": Training(curve=[], best={}, seconds=3.0, images=4),
        "evaluation_seconds": 1.0,
        "peak_memory_megabytes": None,
        "environment": {"device": "x86_64"},
    }
    return RunRecord(**{**parts, **changes})


def edit_record(folder: Path, **changes: Any) -> None:
    """Change fields of the record in a folder, named from the top with two underscores between."""
    path = folder / "record.json"
    record = json.loads(path.read_text())
    for name, value in changes.items():
        *outer, last = name.split("__")
        part = record
        for step in outer:
            part = part[step]
        part[last] = value
    path.write_text(json.dumps(record))


def write_run(folder: Path, accuracies: np.ndarray, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    record = make_record(accuracies, id=folder.name, **changes)
    (folder / "record.json").write_text(record.model_dump_json(indent=2))
    write_scores(folder, {"learner": accuracies})
    return folder / "record.json"
