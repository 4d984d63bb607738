"""Records scored again, from the weights beside them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import metabench
from episodes import DataError
from episodes.banks.vocabulary import Vocabulary
from metabench.errors import UsageError
from metabench.records.bundle import check_run
from metabench.records.provenance import ADDED_FILE, VERIFIED_FILE, mark, origin_of
from metabench.rerun.alone import load_learner
from metabench.rerun.verify import verify
from tests.made_records import edit_record as edit
from tests.made_texts import saved_encoder
from tests.metabench.rerun.conftest import STUDENT


def test_a_run_is_verified_and_stays_so_until_its_figures_change(folder: Path) -> None:
    mark(folder, ADDED_FILE)
    assert origin_of(folder) == "unverified"
    found = verify(folder, "cpu")
    assert not found.problems
    assert found.differing == 0
    assert "verified: its learner gives these values again (on all 20 tasks)" in str(found)
    assert origin_of(folder) == "verified"
    edit(folder, training__seconds=1.0)
    assert origin_of(folder) == "unverified"


def better(folder: Path) -> None:
    """The best values that fit each other, without the predictions, which would tell."""
    table = pd.read_csv(folder / "scores.csv")
    table["learner"] = np.minimum(1, table["learner"] + 0.2)
    table.to_csv(folder / "scores.csv", index=False)
    (folder / "predictions.parquet").unlink()
    edit(folder, score__mean=float(table["learner"].mean()))


def others(folder: Path) -> None:
    """The same mean over other tasks."""
    table = pd.read_csv(folder / "scores.csv")
    table["learner"] = table["learner"].to_numpy()[::-1]
    table.to_csv(folder / "scores.csv", index=False)
    (folder / "predictions.parquet").unlink()


def other_weights(folder: Path) -> None:
    saved = torch.load(folder / "learner.pt", weights_only=True)
    weights = {name: torch.zeros_like(value) for name, value in saved["learner"].items()}
    torch.save({**saved, "learner": weights}, folder / "learner.pt")


LIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "accuracy": (better, "accuracy: the record has "),
    "tasks": (others, "tasks: the accuracy of one is another by "),
    "weights": (other_weights, "accuracy: the record has "),
    "interval": (lambda folder: edit(folder, score__half_width=0.001), "half_width: the record has 0.10%, and it is "),
    "low": (lambda folder: edit(folder, score__low=0.99), "low: the record has 99.00%"),
    "worst class": (lambda folder: edit(folder, score__worst_class=1.0), "worst_class: the record has 100.00%"),
    "classes": (
        lambda folder: edit(
            folder, score__over_classes={"half_width": 0.9, "low": 0, "high": 1, "count": 9, "covers": "x"}
        ),
        "over_classes: the record has 90.00%, and ",
    ),
    "calibration": (lambda folder: edit(folder, score__calibration_error=0.9), "calibration_error: the record has 90"),
    "teacher": (
        lambda folder: edit(folder, companions__teacher__mean=1.0),
        "teacher: accuracy: the record has 100",
    ),
    "floor": (lambda folder: edit(folder, floors__pixels__mean=0.01), "floor pixels: the record has 1.00%"),
    "no floor": (
        lambda folder: edit(folder, floors__sky={"mean": 0.1, "half_width": 0, "episodes": 20}),
        "floor sky: the record has 10.00%, and this learner gives none",
    ),
    "settings": (lambda folder: edit(folder, changed_options={}), "changed_options: the record has {}, and it is {"),
    "transductive": (
        lambda folder: edit(folder, transductive=True),
        "transductive: the record has True, and it is False",
    ),
    "outside data": (lambda folder: edit(folder, outside_data=True), "outside_data: the record has True"),
    "split": (lambda folder: edit(folder, dataset__split="lake"), "split: the record has lake, and it is scripts-2"),
    "dataset": (lambda folder: edit(folder, dataset__name="omniglot"), "dataset: the record has omniglot, and it is "),
    "test classes": (lambda folder: edit(folder, test_classes="yes"), "test_classes: the record has yes, and it is no"),
    "parameters": (lambda folder: edit(folder, score__parameters=7), "parameters: the record has 7, and it is "),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_come_out_again_is_named(lie: str, folder: Path) -> None:
    verify(folder)
    change, message = LIES[lie]
    change(folder)
    found = verify(folder)
    assert any(problem.startswith(message) for problem in found.problems), found.problems
    assert "not verified" in str(found)
    assert not (folder / VERIFIED_FILE).exists()


def test_a_regression_and_a_record_that_lacks_what_version_1_lacked_are_verified(folder: Path, tmp_path: Path) -> None:
    options = {"steps": 3, "meta_batch": 2}
    record = metabench.run(
        dataset="sinusoid",
        learner="maml",
        shots=5,
        episodes=10,
        validation_episodes=2,
        options=options,
        output=tmp_path,
    )
    assert not verify(tmp_path / record.id / "record.json").problems
    new = ("worst_tasks", "worst_class", "calibration_error", "task_megabytes")
    edit(folder, floors={}, predictions=None, **{f"score__{name}": None for name in new})
    (folder / "predictions.parquet").unlink()
    assert not verify(folder).problems


def test_until_interval_and_frozen_tasks(tmp_path: Path) -> None:
    from metabench.experiment.data import freeze

    plain = {**STUDENT, "learner": "nearest", "options": {}, "output": tmp_path}
    until = metabench.run(**{**plain, "episodes": 400, "until_interval": 3.0})
    assert not verify(tmp_path / until.id).problems
    for name, seed in (("tasks", 0), ("others", 1)):
        freeze(tmp_path / f"{name}.parquet", ways=3, shots=2, queries=5, episodes=12, test_seed=seed)
    frozen = metabench.run(learner="nearest", tasks=tmp_path / "tasks.parquet", output=tmp_path, threads=1)
    assert not verify(tmp_path / frozen.id, tasks=tmp_path / "tasks.parquet").problems
    with pytest.raises(UsageError, match=r"was tested on frozen tasks of digest .*; give their file by --tasks"):
        verify(tmp_path / frozen.id)
    with pytest.raises(UsageError, match=r"digest ........, and those of the file given have "):
        verify(tmp_path / frozen.id, tasks=tmp_path / "others.parquet")
    with pytest.raises(UsageError, match="was not tested on frozen tasks; leave --tasks out"):
        verify(tmp_path / until.id, tasks=tmp_path / "tasks.parquet")


def test_what_cannot_be_verified_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read record"):
        verify(tmp_path / "nothing")
    edit(folder, dataset__fingerprints__test="0" * 32)
    with pytest.raises(
        UsageError, match=r"the test images of 'glyphs' have fingerprint .* had 00000000; give the --data"
    ):
        verify(folder)
    (folder / "learner.pt").unlink()
    with pytest.raises(UsageError, match="there is no trained learner in"):
        verify(folder)


@pytest.mark.parametrize("weights", [{}, [1], {1: 2}, {"a": "b"}, None, 3])
def test_weights_of_any_kind_are_refused(weights: object, folder: Path) -> None:
    saved = torch.load(folder / "learner.pt", weights_only=True)
    torch.save({**saved, "learner": weights}, folder / "learner.pt")
    with pytest.raises(UsageError, match=r"do not fit|is not a complete"):
        verify(folder)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [("seed", 7, "its seed is 7, and 0"), ("learner", "maml", "its learner is maml"), ("steps", 9, "its steps is 9")],
)
def test_the_learner_of_another_run_is_refused_by_all_that_read_it(
    name: str, value: object, found: str, folder: Path, tmp_path: Path
) -> None:
    saved = torch.load(folder / "learner.pt", weights_only=True)
    config = saved["config"]
    section = {"seed": config["training"], "steps": config["options"]}.get(name, config)
    section[name] = value
    torch.save(saved, folder / "learner.pt")
    for read in (
        lambda: verify(folder),
        lambda: metabench.show(tmp_path / "x.png", run_folder=folder),
        lambda: load_learner(folder),
        lambda: check_run(folder),
    ):
        with pytest.raises(UsageError, match=f"learner.pt' is the learner of another run: {found}"):
            read()


def test_a_run_on_a_folder_is_verified_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine has read the folder; elsewhere `data_root` says where it is."""
    pictures = tmp_path / "here" / "tiny"
    for number in range(6):
        (pictures / f"c{number}").mkdir(parents=True)
        for shade in range(4):
            Image.new("L", (16, 16), 40 * number + shade).save(pictures / f"c{number}" / f"{shade}.png")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    settings = {"learner": "nearest", "ways": 2, "queries": 2, "episodes": 4, "image_size": 16, "threads": 1}
    record = metabench.run(dataset=f"folder:{pictures}", output=tmp_path / "results", **settings)
    folder = tmp_path / "results" / record.id
    assert record.dataset.name == record.config.data.dataset == "folder:tiny"
    assert str(tmp_path) not in (folder / "record.json").read_text()
    monkeypatch.chdir(tmp_path)
    assert not verify(folder).problems
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "another machine's"))
    with pytest.raises(DataError, match=r"no folder 'tiny'; .*--data-root names the folder it is in"):
        verify(folder)
    for place in (pictures, pictures.parent):
        assert not verify(folder, data_root=place).problems
    shutil.rmtree(pictures / "c5")
    with pytest.raises(DataError, match="5 classes"):
        verify(folder, data_root=pictures)
    (pictures / "c5").mkdir()
    for shade in range(4):
        Image.new("L", (16, 16), 20 + shade).save(pictures / "c5" / f"{shade}.png")
    with pytest.raises(
        UsageError, match=r"images of 'folder:tiny' have fingerprint .*; give the --data-root that it had"
    ):
        verify(folder, data_root=pictures)


def test_a_run_on_a_table_that_is_tested_on_all_classes_of_another_is_verified(tmp_path: Path) -> None:
    for name, shift in {"trained": 0, "tested": 20}.items():
        (tmp_path / name).mkdir()
        rows = [(f"{number}-{shade}.png", f"{name}{number}") for number in range(6) for shade in range(4)]
        for row, (file, _) in enumerate(rows):
            Image.new("L", (16, 16), 40 * (row // 4) + shift + row % 4).save(tmp_path / name / file)
        (tmp_path / name / "labels.csv").write_text("\n".join(["file,label", *map(",".join, rows), ""]))
    record = metabench.run(
        dataset=f"table:{tmp_path / 'trained'}",
        test_dataset=f"table:{tmp_path / 'tested' / 'labels.csv'}",
        test_split="all",
        output=tmp_path / "results",
        **{"learner": "nearest", "ways": 2, "queries": 2, "episodes": 4, "image_size": 16, "threads": 1},
    )
    folder = tmp_path / "results" / record.id
    assert (record.dataset.name, record.dataset.split) == ("table:trained to table:labels.csv", "small-seed=0 to all")
    assert record.dataset.classes.test == 6
    assert str(tmp_path) not in (folder / "record.json").read_text()
    assert not verify(folder).problems


def test_an_encoder_of_ones_own_is_found_again(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A record has its folder's name; this machine knows where it was."""
    encoder = tmp_path / "models" / "mine"
    saved_encoder(encoder, Vocabulary.trained([texts.read_text()], 150))
    settings = {"dataset": f"csv:{texts}", "ways": 3, "shots": 2, "queries": 4, "episodes": 4, "validation_episodes": 2}
    options = {"backbone": f"hf:{encoder}", "steps": 0}
    record = metabench.run(learner="protonet", options=options, **settings, output=tmp_path / "results")
    assert record.config.options["backbone"] == "hf:mine"
    monkeypatch.chdir(tmp_path / "results")
    assert not verify(Path(record.id)).problems
    shutil.rmtree(encoder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    capfd.readouterr()
    with pytest.raises(UsageError, match=r"'mine' cannot be loaded: .*; give a folder that transformers has saved"):
        verify(Path(record.id))
    assert capfd.readouterr().err == ""
