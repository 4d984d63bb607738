"""What validation gives, and that it is always the same."""

import numpy as np
import pytest
import torch

from episodes.banks.images import ImageBank
from metabench.learner import Batches
from metabench.objective import LabelledBatch
from metabench.pretraining.validation import Pretraining, neighbour_error, picture_batches
from tests.baselines.objectives.made import objective
from tests.made_pictures import bank


@pytest.mark.parametrize("at_once", [7, 1024])
def test_the_error_of_the_nearest_neighbour_by_hand(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metabench.pretraining.validation.AT_ONCE", at_once)
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(40, 3)), generator.integers(0, 4, 40)
    wrong = 0
    for row in range(40):
        cosines = [
            -2.0
            if other == row
            else features[row] @ features[other] / np.linalg.norm(features[row]) / np.linalg.norm(features[other])
            for other in range(40)
        ]
        wrong += labels[int(np.argmax(cosines))] != labels[row]
    assert 0 < wrong < 40
    inputs, classes = torch.from_numpy(features), torch.from_numpy(labels)
    batches = [LabelledBatch(inputs[:25], classes[:25]), LabelledBatch(inputs[25:], classes[25:])]
    assert neighbour_error(lambda given: given, batches) == wrong / 40


def test_pictures_are_evenly_spaced_and_each_batch_has_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = bank("validation", 1)
    (whole,) = picture_batches(found, torch.device("cpu"))
    assert torch.equal(whole.labels, found.labels)
    torch.testing.assert_close(whole.images, found.images.float() / 255)
    monkeypatch.setattr("metabench.pretraining.validation.MOST_IMAGES", 30)
    monkeypatch.setattr("metabench.pretraining.validation.BATCH", 8)
    batches = [*picture_batches(found, torch.device("cpu"))]
    assert [len(each.labels) for each in batches] == [8, 8, 7, 7]
    assert torch.cat([each.labels for each in batches]).bincount().tolist() == [5] * 6
    assert all(len(each.labels.unique()) == 6 for each in batches)


def test_validation_repeats_and_moves_no_random_stream() -> None:
    made = objective("simclr")
    found: ImageBank = bank("validation", 1)
    trained = Pretraining("simclr", made, found, made.options)
    (stage,) = trained.stages()
    assert stage.data == Batches(128)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = trained.values(), trained.values()
    assert torch.equal(before, torch.get_rng_state())
    assert first == second
    assert [*first] == ["neighbour_error", "contrastive_loss"]
    assert first["neighbour_error"] == neighbour_error(made.network, picture_batches(found, torch.device("cpu")))
