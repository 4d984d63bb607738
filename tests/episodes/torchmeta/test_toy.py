import itertools
from typing import Any

import numpy as np
import pytest
import torch

from episodes import DataError
from episodes.torchmeta.toy import Harmonic, Sinusoid, SinusoidAndLine, helpers
from episodes.torchmeta.toy.harmonic import HarmonicTask
from episodes.torchmeta.toy.sinusoid import SinusoidTask
from episodes.torchmeta.toy.sinusoid_line import LinearTask
from episodes.torchmeta.utils.data import BatchMetaDataLoader


def points(task: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    inputs, targets = zip(*(task[i] for i in range(len(task))), strict=True)
    return np.stack(inputs), np.stack(targets)


def test_sine_waves_follow_their_formula() -> None:
    dataset = Sinusoid(20, num_tasks=500)
    dataset.seed(0)
    amplitudes, phases = [], []
    for task in dataset:
        inputs, targets = points(task)
        assert inputs.shape == targets.shape == (20, 1)
        assert np.allclose(targets, task.amplitude * np.sin(inputs - task.phase))
        assert np.abs(inputs).max() <= 5
        amplitudes.append(task.amplitude)
        phases.append(task.phase)
    for values, low, high in ((amplitudes, 0.1, 5.0), (phases, 0.0, np.pi)):
        assert low <= min(values) < low + 0.1
        assert high - 0.1 < max(values) <= high
    assert len(dataset) == 500


def test_harmonics_follow_their_formula() -> None:
    dataset = Harmonic(50, num_tasks=200)
    assert len(Harmonic(5)) == 5000
    for task in itertools.islice(dataset, 20):
        x, targets = points(task)
        (a1, a2), (b1, b2), f = task.amplitudes, task.phases, task.frequency
        assert np.allclose(targets, a1 * np.sin(f * x + b1) + a2 * np.sin(2 * f * x + b2))
        assert abs(x.mean() - task.domain) < 1
        assert 5 <= f <= 7
        assert abs(task.domain) <= 4


def test_half_the_tasks_are_lines() -> None:
    dataset = SinusoidAndLine(10, num_tasks=41)
    dataset.seed(1)
    kinds = []
    for task in dataset:
        inputs, targets = points(task)
        kinds.append(hasattr(task, "slope"))
        if kinds[-1]:
            assert np.allclose(np.polyfit(inputs[:, 0], targets[:, 0], 1), [task.slope, task.intercept])
            assert max(abs(task.slope), abs(task.intercept)) <= 3
        else:
            assert np.allclose(targets, task.amplitude * np.sin(inputs - task.phase))
    assert sum(kinds) == 20
    assert kinds != sorted(kinds)


def test_noise_is_added_to_targets() -> None:
    task = Sinusoid(10_000, num_tasks=1, noise_std=0.5)[0]
    inputs, targets = points(task)
    errors = targets - task.amplitude * np.sin(inputs - task.phase)
    assert abs(errors.std() - 0.5) < 0.03
    assert abs(errors.mean()) < 0.03


@pytest.mark.parametrize("name", ["sinusoid", "harmonic"])
def test_helpers_split_and_seed(name: str) -> None:
    def batch() -> Any:
        torch.manual_seed(0)
        dataset = getattr(helpers, name)(shots=5, test_shots=7, seed=3, num_tasks=50)
        return next(iter(BatchMetaDataLoader(dataset, batch_size=4)))

    first, second = batch(), batch()
    assert [part.shape for part in first["train"]] == [(4, 5, 1), (4, 5, 1)]
    assert [part.shape for part in first["test"]] == [(4, 7, 1), (4, 7, 1)]
    for part in ("train", "test"):
        assert all(map(torch.equal, first[part], second[part]))
    assert len(getattr(helpers, name)(shots=3)[0]["test"]) == 3


def test_the_number_of_points_can_be_given() -> None:
    with pytest.warns(UserWarning, match="shots is ignored"):
        task = helpers.sinusoid(shots=3, num_samples_per_task=20, test_shots=12)[0]
    assert (len(task["train"]), len(task["test"])) == (8, 12)
    with (
        pytest.warns(UserWarning, match="ignored"),
        pytest.raises(DataError, match="of 10 points a task, 12 for the test leave none"),
    ):
        helpers.sinusoid(shots=3, num_samples_per_task=10, test_shots=12)


def test_transforms_are_applied_to_each_point() -> None:
    dataset = Sinusoid(5, num_tasks=3, transform=torch.from_numpy, target_transform=lambda target: target.item())
    value, target = dataset[1][0]
    assert isinstance(value, torch.Tensor)
    assert isinstance(target, float)
    task = dataset.sample_task()
    assert np.isclose(task[2][1], task.amplitude * np.sin(task[2][0].item() - task.phase))


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (SinusoidTask, (2.0, 0.5, np.array([1.0, 3.0])), lambda x: 2 * np.sin(x - 0.5)),
        (LinearTask, (2.0, 0.5, np.array([1.0, 3.0])), lambda x: 0.5 + 2 * x),
        (
            HarmonicTask,
            (9.0, 5.0, np.array([0.1, 0.2]), np.array([3.0, 4.0])),
            lambda x: 3 * np.sin(5 * x + 0.1) + 4 * np.sin(10 * x + 0.2),
        ),
    ],
)
def test_tasks_are_made_by_themselves_too(kind: Any, arguments: tuple[Any, ...], expected: Any) -> None:
    inputs, targets = points(kind(7, *arguments, None, 30))
    assert np.allclose(targets, expected(inputs))
    if kind is HarmonicTask:
        assert abs(inputs.mean() - 9) < 1
    else:
        assert 1 <= inputs.min() < inputs.max() <= 3
    noisy = [kind(7, *arguments, 0.5, 400, np_random=np.random.RandomState(1)) for _ in range(2)]
    inputs, targets = points(noisy[0])
    assert (targets - expected(inputs)).std() == pytest.approx(0.5, rel=0.15)
    assert np.array_equal(targets, points(noisy[1])[1])
    assert hash(noisy[0]) == hash(7)
