"""Trained students, asked again beside their teachers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save

from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.records.checkpoint import save_tensors
from metabench.rerun.distillation import distillation_report
from metabench.rerun.load import load_trained
from tests.made_records import edit_record


def test_agreement_and_sizes_are_those_of_the_trained_networks(distilled: Path) -> None:
    rows = distillation_report(distilled, device="cpu").set_index("network")
    run = load_trained(distilled, "cpu")
    networks = {"student": run.learner, **run.learner.companions()}
    alike: dict[str, list[float]] = {name: [] for name in networks}
    with torch.no_grad():
        for number in range(20):
            task = run.test.batch([number]).to_float().without_query_labels()
            predictions = {name: each.classify(task).argmax(2) for name, each in networks.items()}
            for name, found in predictions.items():
                alike[name].append(float((found == predictions["teacher"]).float().mean()))
    assert 20 < rows.loc["student", "agreement_mean"] < 100
    for name in ("student", "network alone"):
        assert rows.loc[name, "agreement_mean"] == pytest.approx(100 * np.mean(alike[name]))
    assert np.isnan(rows.loc["teacher", "agreement_mean"])
    tensors = {f"0.{name}": value for name, value in run.learner.backbone.state_dict().items()}  # type: ignore[union-attr]
    assert rows.loc["student", "bytes_float32"] == len(
        save({name: each.contiguous() for name, each in tensors.items()})
    )
    assert rows["parameters"].tolist() == [
        each.scoring_parameters() for each in (networks["teacher"], run.learner, run.learner)
    ]
    assert (
        rows.loc["student", "bytes_float16"] < rows.loc["student", "bytes_float32"] < rows.loc["teacher", "bytes_int8"]
    )


def test_the_command_prints_writes_and_draws(
    distilled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, csv = tmp_path / "sizes.png", tmp_path / "sizes.csv"
    with pytest.raises(SystemExit) as ended:
        main(["distillation-report", str(distilled), "-o", str(picture), "--csv", str(csv), "--device", "cpu"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("distill (")
    assert "agreement with teacher, %" in printed
    assert picture.stat().st_size > 10_000
    expected = distillation_report(distilled, device="cpu")
    pd.testing.assert_frame_equal(pd.read_csv(csv), expected, check_dtype=False)


def test_weights_of_another_student_are_not_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "learner.pt"
    saved = torch.load(path, weights_only=True)
    for name, value in saved["learner"].items():
        if name.startswith("backbone.") and value.ndim > 1:
            value.zero_()
    save_tensors(path, saved)
    rows = distillation_report(folder, device="cpu")
    assert "agreement_mean" not in rows
    with pytest.raises(SystemExit):
        main(["distillation-report", str(folder)])
    assert "Sizes and agreement are not here, of" in capsys.readouterr().out.replace("\n", " ")


def test_one_picture_is_of_the_same_tasks(folder: Path, distilled: Path, tmp_path: Path) -> None:
    edit_record(folder, config__task__shots=1)
    (folder / "learner.pt").unlink()
    with pytest.raises(
        UsageError, match="one picture is of the same test tasks, and these runs are of glyphs, 3-way 2"
    ):
        distillation_report(distilled, folder, picture=tmp_path / "x.png")
    with pytest.raises(UsageError, match=r"its name must end in \.png, \.pdf or \.svg"):
        distillation_report(folder, picture=tmp_path / "x.doc")
