"""Features that are kept: embedded once, the same to the bit, never those of other weights, images or networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from episodes import FixedTask, load
from episodes.banks.images import ImageBank
from episodes.sampling.sampler import EpisodeSampler
from metabench.backbone import Layers, build_backbone
from metabench.evaluation.features import network_as_it_came, network_features
from metabench.evaluation.loop import evaluate
from metabench.learner import EmbeddingLearner, Problem
from metabench.registry import get_learner

TASK = FixedTask(3, 2, 4)
NAME = "tests.metabench.evaluation.test_features:small"
EMBEDDED: list[int] = []  # how many images each pass of the network had


class Counted(nn.Sequential):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        EMBEDDED.append(len(images))
        found: torch.Tensor = super().forward(images)
        return found


def small() -> nn.Module:
    torch.manual_seed(4)
    layers = [nn.Conv2d(3, 8, 5, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return Counted(*layers)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path))
    EMBEDDED.clear()
    return tmp_path


@pytest.fixture(scope="module")
def bank() -> ImageBank:
    found: ImageBank = load("glyphs").test
    return found.select("glyphs/some", range(12))


def learner(name: str, backbone: str = NAME, **options: Any) -> EmbeddingLearner:
    kind = get_learner(name)
    made = kind(Problem((1, 28, 28), 5, TASK), kind.Options(**{"backbone": backbone, "steps": 0, **options}))
    assert isinstance(made, EmbeddingLearner)
    return made.eval()


def sampler(bank: ImageBank, seed: int = 0) -> EpisodeSampler:
    return EpisodeSampler(bank, TASK, seed)


def directly(made: EmbeddingLearner, source: EpisodeSampler, tasks: int) -> np.ndarray:
    """Accuracies without any embedding beforehand."""
    batch = source.batch(range(tasks)).to_float()
    with torch.no_grad():
        right = made.classify(batch.without_query_labels()).argmax(2) == batch.query_labels
    return right.double().mean(1).numpy()


def network() -> Layers:
    return build_backbone(NAME, (1, 28, 28)).eval()


def test_a_second_head_embeds_nothing_and_both_predict_as_without_the_cache(bank: ImageBank, cache: Path) -> None:
    scores = {}
    for name, options in (("protonet", {}), ("finetune", {}), ("simpleshot", {"transform": "l2n"})):
        EMBEDDED.clear()
        scores[name] = evaluate(learner(name, **options), sampler(bank), 40)
        drawn = sum(EMBEDDED)
        assert (drawn > 100) == (name == "protonet")
        # The check of a few images is all that the others embed.
        assert drawn <= 4 or name == "protonet"
        assert np.allclose(scores[name], directly(learner(name, **options), sampler(bank), 40))
    assert len(list(cache.rglob("features-*.safetensors"))) == 1


def test_other_tasks_embed_the_images_alone_that_are_new(bank: ImageBank) -> None:
    evaluate(learner("protonet"), sampler(bank), 2)
    few = sum(EMBEDDED)
    evaluate(learner("protonet"), sampler(bank, seed=1), 200)
    EMBEDDED.clear()
    evaluate(learner("protonet"), sampler(bank, seed=2), 200)
    assert few < 100
    assert sum(EMBEDDED) <= 40


def test_features_are_the_same_to_the_bit_whatever_was_asked_before(
    bank: ImageBank, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = torch.arange(0, 200, 3)
    with torch.no_grad():
        whole = network_features(network(), bank, torch.arange(200))
        monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "other"))
        network_features(network(), bank, rows[5:7])
        some = network_features(network(), bank, rows)
    assert torch.equal(some, whole[rows])


def test_other_weights_or_images_have_features_of_their_own(bank: ImageBank, cache: Path) -> None:
    changed = network()
    with torch.no_grad():
        changed[0].model[1].running_mean += 1
        rows = torch.arange(40)
        usual, others = network_features(network(), bank, rows), network_features(changed, bank, rows)
        inverse = ImageBank("inverse", 255 - bank.images, bank.class_names, bank.class_sizes, bank.groups)
        of_others = network_features(network(), inverse, rows)
    assert not torch.equal(usual, others)
    assert not torch.equal(usual, of_others)
    assert len(list(cache.rglob("features-*.safetensors"))) == 3


def test_a_damaged_file_is_made_anew(bank: ImageBank, cache: Path) -> None:
    rows = torch.arange(40)
    with torch.no_grad():
        before = network_features(network(), bank, rows)
        (file,) = cache.rglob("features-*.safetensors")
        file.write_bytes(file.read_bytes()[:200])
        assert torch.equal(network_features(network(), bank, rows), before)
        EMBEDDED.clear()
        network_features(network(), bank, rows)
    assert not EMBEDDED


def test_where_nothing_can_be_kept_a_warning_is_all(
    bank: ImageBank, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metabench.evaluation.features.save", lambda tensors: _no_room())
    with pytest.warns(UserWarning, match="until then images are embedded each time"), torch.no_grad():
        assert network_features(network(), bank, torch.arange(4)).shape == (4, 32)


def _no_room() -> bytes:
    from episodes.errors import DataError

    raise DataError("cannot write: no room; make some")


def test_networks_that_training_changes_or_of_our_own_are_not_kept(bank: ImageBank, cache: Path) -> None:
    assert network_as_it_came(learner("protonet")) is not None
    assert network_as_it_came(learner("protonet", steps=3)) is None
    assert network_as_it_came(learner("protonet", backbone="conv4:8")) is None
    assert network_as_it_came(learner("simpleshot", centring_steps=5)) is not None  # trains the centre alone
    evaluate(learner("protonet", steps=3), sampler(bank), 3)
    assert not list(cache.rglob("features-*"))


def test_a_learner_that_looks_at_the_images_too_embeds_them_itself(bank: ImageBank, cache: Path) -> None:
    made = learner("protonet")

    def embed(images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = made.backbone(images) + images.mean((1, 2, 3))[:, None]
        return found

    made.embed = embed  # type: ignore[method-assign]
    assert np.allclose(evaluate(made, sampler(bank), 20), directly(made, sampler(bank), 20))
