from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import metabench
from episodes.errors import DataError
from metabench.errors import UsageError
from metabench.records.record import RunRecord
from metabench.rerun.curve import curve, curves, printable

RED = (0xC4, 0x29, 0x0A)
QUICK: dict[str, Any] = {"ways": 3, "shots": 2, "queries": 5, "episodes": 30, "validation_episodes": 4, "threads": 1}


def quick(output: Path, **changes: Any) -> tuple[Path, RunRecord]:
    record = metabench.run(**{**QUICK, "output": output, **changes})
    return output / record.id, record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    return quick(tmp_path_factory.mktemp("results"), options={"backbone": "conv4:8", "steps": 20})


def test_at_the_runs_own_shots_and_ways_the_figures_are_the_records(finished: tuple[Path, RunRecord]) -> None:
    folder, record = finished
    table = curve(folder, shots=(1, 2), ways=(3, 5))
    own = table[(table["shots"] == 2) & (table["ways"] == 3)]
    assert own["against"].tolist() == ["shots"] * 4 + ["ways"] * 4
    for _, row in own.iterrows():
        value = record.floors[row["learner"]] if row["floor"] else None
        mean, half_width = (value.mean, value.half_width) if value else (record.score.mean, record.score.half_width)
        assert (row["accuracy"], row["half_width"]) == (round(100 * mean, 2), round(100 * half_width, 2))
        assert row["low"] <= row["accuracy"] <= row["high"]
    learner = table[~table["floor"]].set_index(["against", "shots", "ways"])["accuracy"]
    assert learner["shots", 1, 3] < learner["shots", 2, 3]
    assert learner["ways", 2, 5] < learner["ways", 2, 3]
    assert table[table["learner"] == "chance"]["accuracy"].tolist() == [33.33, 33.33, 33.33, 20.0]


def test_table_and_picture_stay_in_the_runs_folder(finished: tuple[Path, RunRecord]) -> None:
    folder, _ = finished
    table = curve(folder, ways=(2, 4), episodes=10)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "curve.csv"), table)
    with Image.open(folder / "curve.png") as picture:
        assert picture.width > 500
    printed = printable(table)
    assert printed.startswith("accuracy, %\n ways")
    assert len(printed.splitlines()) == 4


def test_by_default_it_takes_the_shots_that_the_images_suffice_for(tmp_path: Path) -> None:
    """Of 40 images per class 25 are asked for, so that 15 are left."""
    folder, _ = quick(tmp_path, queries=25, episodes=5, learner="nearest")
    table = curve(folder)
    assert table[~table["floor"]]["shots"].tolist() == [1, 2, 5, 10]
    with pytest.raises(DataError, match="--shots 20"):
        curve(folder, shots=(1, 20))


def test_disjoint_tasks_are_as_many_as_there_are(tmp_path: Path) -> None:
    """Of 147 classes of 40 images; more shots leave fewer tasks."""
    changes = {"disjoint": True, "ways": 20, "episodes": None, "learner": "protonet", "queries": 15}
    changes["options"] = {"backbone": "conv4:4", "steps": 0}
    folder, record = quick(tmp_path, **changes)
    table = curve(folder, shots=(2, 20)).query("not floor")
    assert table["episodes"][0] == record.config.test.episodes
    assert table["episodes"].tolist()[1] < record.config.test.episodes


def test_a_learner_of_fixed_ways_is_asked_for_no_others(tmp_path: Path) -> None:
    options = {"backbone": "conv4-strided:8", "steps": 1, "meta_batch": 1, "inner_steps": 1, "test_inner_steps": 1}
    folder, _ = quick(tmp_path, learner="maml", options=options, episodes=4)
    assert curve(folder, shots=(1,), ways=(3,))["ways"].tolist() == [3] * 8
    with pytest.raises(UsageError, match="learner 'maml' classifies tasks of 3 ways and no others; leave --ways out"):
        curve(folder, ways=(3, 5))


def test_errors_of_a_regression_against_its_points(tmp_path: Path) -> None:
    settings = {"dataset": "sinusoid", "learner": "maml", "shots": 5, "episodes": 10, "validation_episodes": 2}
    record = metabench.run(**settings, options={"steps": 5}, output=tmp_path)
    folder = tmp_path / record.id
    table = curve(folder, shots=(5, 10))
    assert table["learner"].tolist()[:3] == ["maml", "zero", "support mean"]
    assert table["squared_error"][0] == round(record.score.mean, 4)
    assert printable(table).startswith("mean squared error\n shots")
    with pytest.raises(UsageError, match="--ways does not go with --dataset sinusoid"):
        curve(folder, ways=(2,))


def test_errors_of_a_regression_after_gradient_steps(tmp_path: Path) -> None:
    """At the run's own shots and steps they are the record's."""
    settings = {"dataset": "sinusoid", "learner": "maml", "shots": 5, "episodes": 10, "validation_episodes": 2}
    folders, records = [], []
    for inner_steps in (1, 0):
        options = {"steps": 5, "inner_steps": inner_steps, "test_inner_steps": 3}
        records.append(metabench.run(**settings, options=options, output=tmp_path))
        folders.append(tmp_path / records[-1].id)
    tables = curves(folders, tmp_path / "both.png", gradient_steps=(0, 3), shots=(5, 10))
    for table, record, folder in zip(tables, records, folders, strict=True):
        learner = table[~table["floor"]].set_index(["shots", "gradient_steps"])["squared_error"]
        assert list(learner.index) == [(5, 0), (5, 3), (10, 0), (10, 3)]
        assert learner[5, 3] == round(record.score.mean, 4)
        assert learner[5, 3] != learner[5, 0]
        assert set(table["against"]) == {"gradient_steps"}
        pd.testing.assert_frame_equal(pd.read_csv(folder / "curve.csv", dtype={"gradient_steps": "Int64"}), table)
    assert printable(tables[0]).startswith("mean squared error\n5 shots\n gradient_steps")
    assert curve(folders[0], gradient_steps=(3,))["shots"].tolist() == [5, 5, 5]
    with Image.open(tmp_path / "both.png") as both, Image.open(folders[0] / "curve.png") as one:
        assert both.width > 1000
        assert near(both, RED) > 100 > near(one, RED)  # the second learner's line


def near(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour).max(2) < 10).sum())


def test_learners_without_gradient_steps_and_runs_on_several_datasets_say_so(
    tmp_path: Path, finished: tuple[Path, RunRecord]
) -> None:
    folder, _ = finished
    with pytest.raises(UsageError, match=r"'protonet' as it was run takes no gradient steps .* leave --gradient-steps"):
        curve(folder, gradient_steps=(1,))
    other, _ = quick(tmp_path, dataset="glyphs", image_size=32, learner="nearest", episodes=4)
    with pytest.raises(UsageError, match=r"is of the same test data, .* of glyphs, glyphs; leave -o"):
        curves([folder, other], tmp_path / "both.png")
    with pytest.raises(UsageError, match=r"its name must end in \.png, \.pdf or \.svg"):
        curves([folder], tmp_path / "both.txt")


def test_what_has_no_curve_says_so(tmp_path: Path, finished: tuple[Path, RunRecord]) -> None:
    options = {"backbone": "conv4:8", "steps": 1}
    folder, _ = quick(tmp_path, task="variable", episodes=2, validation_episodes=1, options=options)
    with pytest.raises(UsageError, match="have shots and ways of all kinds; run with --task fixed for a curve"):
        curve(folder)
    folder, _ = finished
    record = (folder / "record.json").read_text()
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    fingerprint = finished[1].dataset.fingerprints.test
    (other / "record.json").write_text(record.replace(fingerprint, "ab" * 16))
    with pytest.raises(UsageError, match=r"the test images of 'glyphs' have fingerprint .*, and those of .* abababab"):
        curve(other)
