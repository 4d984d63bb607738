"""Trained embeddings as files, read by other programs."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor

import metabench
from baselines.gradient.maml import MAML
from baselines.transfer.finetune import FineTune
from episodes import DataError
from metabench.checks import build
from metabench.cli.main import main
from metabench.errors import RunError, UsageError
from metabench.learner import EmbeddingLearner, Learner
from metabench.rerun.alone import TrainedLearner, load_learner
from metabench.rerun.export import Export, _embedding_of, _graph, _weights, export
from metabench.rerun.load import load_trained
from metabench.samples import PROBLEM, word_problem
from metabench.weights.state_file import read_state_file
from tests.conftest import PROJECT
from tests.made_records import make_record


def as_trained(learner: Learner) -> TrainedLearner:
    """A learner as if it were read from the folder of a run."""
    record = make_record(np.array([0.5, 0.7]), learner="mine")
    return TrainedLearner(Path("a-run"), record, learner, torch.device("cpu"))


@pytest.fixture(scope="module")
def made(distilled: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export(distilled, tmp_path_factory.mktemp("exported") / "student.onnx")


def test_the_graph_gives_the_students_features_of_real_images(distilled: Path, made: Export) -> None:
    run = load_trained(distilled, "cpu")
    student: Any = run.learner
    images = run.test.batch([0]).to_float().query[0]
    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["features"], {"inputs": images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, student.embed(images), atol=1e-5)
    assert "4 features of images [n, 1, 28, 28], float32 from 0 to 1, any n; opset 18; onnxruntime" in str(made)
    model = onnx.load(made.path)
    onnx.checker.check_model(model, full_check=True)
    assert [each.version for each in model.opset_import if not each.domain] == [18]
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in dimensions] == ["n", 1, 28, 28]
    held = {each.name for each in model.graph.initializer if each.name.startswith("learner.")}
    assert all(name.startswith("learner.backbone.") for name in held)  # neither head nor teacher
    assert str(PROJECT).encode() not in made.path.read_bytes()
    (about,) = (json.loads(each.value) for each in model.metadata_props if each.key == "metabench")
    assert (about["run"], about["learner"]) == (distilled.name, "distill")


def test_the_code_of_the_page_classifies_by_the_file(
    distilled: Path, made: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (PROJECT / "docs" / "distillation.md").read_text(encoding="utf-8"), re.S
    )
    monkeypatch.chdir(made.path.parent)
    task = load_trained(distilled, "cpu").test.batch([0]).to_float()
    support = [task.support[0][task.support_labels[0] == label].numpy() for label in range(3)]
    page: dict[str, Any] = {"support": support, "queries": task.query[0].numpy()}
    exec(compile(code, "page.py", "exec"), page)
    right = page["predictions"] == task.query_labels[0].numpy()
    assert right.mean() > 1 / 3
    shots = torch.from_numpy(np.stack(support)).flatten(0, 1)
    student: Any = load_learner(distilled, "cpu").learner
    with torch.no_grad():
        means = student.embed(shots).unflatten(0, (3, -1)).mean(1)
        expected = torch.cdist(student.embed(task.query[0]), means).argmin(1)
    assert page["predictions"].tolist() == expected.tolist()


def test_the_weights_are_a_file_for_the_backbone(
    distilled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "student.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(distilled), "-o", str(path)])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"wrote {path} (")
    student: Any = load_learner(distilled, "cpu").learner
    fresh = build(FineTune, seed=5, backbone="conv4:4")
    assert isinstance(fresh, FineTune)
    images = torch.rand(3, 1, 28, 28)
    assert not torch.equal(fresh.embed(images), student.embed(images))
    read_state_file(path, "").load("finetune", [fresh.backbone])
    assert torch.equal(fresh.embed(images), student.embed(images))
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["metabench"])["score"] == {
            "accuracy": json.loads((distilled / "record.json").read_text())["score"]["mean"]
        }


def test_a_run_on_the_same_images_knows_what_the_weights_have_seen(distilled: Path, tmp_path: Path) -> None:
    path = tmp_path / "student.safetensors"
    export(distilled, path)
    settings: dict[str, Any] = {"ways": 3, "episodes": 3, "validation_episodes": 2, "output": tmp_path}
    options = {"backbone": "conv4:4", "weights": str(path), "steps": 0}
    alike = metabench.run(learner="protonet", options=options, **settings)
    assert (alike.outside_data, alike.test_classes) == (True, "no")
    other = metabench.run(learner="protonet", options=options, image_size=20, **settings)
    assert (other.outside_data, other.test_classes) == (True, "unknown")


def test_of_texts_the_file_has_the_tokenizer_and_takes_any_length(
    of_texts: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = of_texts("finetune")
    made = export(folder, tmp_path / "texts.onnx")
    run = load_trained(folder, "cpu")
    learner: Any = run.learner
    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    notes = session.get_modelmeta().custom_metadata_map
    tokenizer = Tokenizer.from_str(notes["vocabulary"])
    bank = run.dataset.test
    for row in (0, 17):
        ids = np.array([tokenizer.encode(bank.text(row)).ids], dtype=np.int32) + 1
        (found,) = session.run(None, {"inputs": ids})
        with torch.no_grad():
            expected = learner.embed(bank.gather(torch.tensor([row])))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "texts [n, tokens], int32 token ids plus 1, 0 for padding, at most 128 tokens" in str(made)


class Unsteady(FineTune):
    """Gives other features as a graph, or cannot be one."""

    way = ""

    def embed(self, images: Tensor) -> Tensor:
        features = super().embed(images)
        if self.way == "differs" and torch.compiler.is_compiling():
            return 1.01 * features
        if self.way == "branches" and features.mean() > 0:
            return -features
        return features


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("differs", "the graph of learner 'mine' gives other features: onnxruntime's differ from torch's by 0.0"),
        ("branches", "the embedding of learner 'mine' cannot be made a graph: "),
    ],
)
def test_a_graph_that_is_not_the_embedding_is_refused(
    way: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    learner = build(Unsteady, backbone="mlp:4")
    assert isinstance(learner, Unsteady)
    learner.way = way
    with pytest.raises(RunError, match=message) as refused:
        _graph(as_trained(learner), learner)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: build(MAML, backbone="conv4:4"), "its network is another for each task"),
        (lambda: build(FineTune, backbone="conv4:4", scope="all"), "a task changes its embedding with these options"),
        (lambda: build(FineTune, problem=word_problem(), backbone="bert-tiny"), "it embeds the words of sentences"),
    ],
)
def test_what_has_no_embedding_of_its_own_is_refused(make: Callable[[], Learner], reason: str) -> None:
    with pytest.raises(UsageError, match=rf"learner 'mine' of 'a-run' cannot be exported: {reason}.*; export a run"):
        _embedding_of(as_trained(make()))


class Pixels(EmbeddingLearner):
    """Without a network."""

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def test_weights_are_of_one_network() -> None:
    learner = Pixels(PROBLEM, Pixels.Options()).eval()
    with pytest.raises(UsageError, match=r"learner 'mine' has 0 networks with a backbone's name.*; export to \.onnx"):
        _weights(as_trained(learner), learner)


def test_other_endings_and_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"-o model\.pt: a learner is exported to \.onnx or \.safetensors; name such"):
        export(tmp_path, "model.pt")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DataError, match=r'an export to \.onnx needs the package onnxscript; pip install "metabench\[e'):
        export(tmp_path, "model.onnx")


def test_a_large_feature_may_be_off_by_as_much_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tolerance is a part of the largest feature: of features of 1,000 a tenth, and no more."""
    from metabench.rerun import export as module

    class Scaled(FineTune):
        off = 0.0

        def embed(self, images: Tensor) -> Tensor:
            features = 1000 * super().embed(images)
            return features + self.off if torch.compiler.is_compiling() else features

    learner = build(Scaled, backbone="mlp:4")
    assert isinstance(learner, Scaled)
    monkeypatch.setattr(module, "SIZES", (3,))
    learner.off = 0.05
    assert "within 0.05" in _graph(as_trained(learner), learner)[1]
    learner.off = 0.2
    with pytest.raises(RunError, match=r"differ from torch's by 0\.2 of at most"):
        _graph(as_trained(learner), learner)
