"""Sampling of tasks, ours and others', in turn, in one run: the ratio of the best times is what is held.

Each `benchmark` is ours; the other's time for the same work and the ratio stand in its extra_info.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.data import TensorDataset

from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from tests.benchmarks.ratio import ratio_of_best

TASK = FixedTask(ways=5, shots=1, queries=15)
BLOCK = 32  # tasks asked for at once
BLOCKS = 20  # a timing of ours; of the others' one block is long enough


def blocks() -> Iterator[range]:
    return (range(number * BLOCK, (number + 1) * BLOCK) for number in count())


def learn2learn_tasks(learn2learn: Any, bank: ImageBank) -> Any:
    dataset = learn2learn.data.MetaDataset(TensorDataset(bank.images, bank.labels))
    transforms = learn2learn.data.transforms
    recipe = [
        *(transforms.NWays(dataset, TASK.ways), transforms.KShots(dataset, TASK.shots + TASK.queries)),
        *(transforms.LoadData(dataset), transforms.RemapLabels(dataset), transforms.ConsecutiveLabels(dataset)),
    ]
    return learn2learn.data.Taskset(dataset, recipe, num_tasks=-1)  # the new name of TaskDataset


def test_indices_against_learn2learn(benchmark: BenchmarkFixture, glyphs: Dataset, learn2learn: Any) -> None:
    """Which images a task has, against learn2learn's whole tasks: how fast a task is known before it is gathered."""
    sampler, numbers = EpisodeSampler(glyphs.train, TASK, seed=0), blocks()
    tasks = learn2learn_tasks(learn2learn, glyphs.train)

    def ours() -> None:
        for _ in range(BLOCKS):
            sampler.indices(next(numbers))

    def theirs() -> None:
        for _ in range(BLOCK):
            tasks.sample()

    assert ratio_of_best(benchmark, ours, theirs, more_work=BLOCKS) >= 60


def test_tasks_against_learn2learn(benchmark: BenchmarkFixture, glyphs: Dataset, learn2learn: Any) -> None:
    """uint8 28 x 28 images in memory, in blocks of 32 tasks."""
    sampler, numbers = EpisodeSampler(glyphs.train, TASK, seed=0), blocks()
    tasks = learn2learn_tasks(learn2learn, glyphs.train)

    def ours() -> None:
        for _ in range(BLOCKS):
            sampler.batch(next(numbers))

    def theirs() -> None:
        for _ in range(BLOCK):
            tasks.sample()

    assert len(tasks.sample()[0]) == 80
    assert ratio_of_best(benchmark, ours, theirs, more_work=BLOCKS) >= 30


def test_large_tasks_against_copying_their_bytes(benchmark: BenchmarkFixture) -> None:
    """84 x 84 colour images, a task at a time; the floor is one copy of as many bytes that lie side by side."""
    images = torch.randint(0, 256, (12_000, 3, 84, 84), dtype=torch.uint8)
    names = tuple(f"class{number}" for number in range(20))
    sampler = EpisodeSampler(ImageBank("large", images, names, (600,) * 20, names), TASK, seed=0)
    numbers = blocks()

    def ours() -> None:
        for _ in sampler.each(next(numbers)):
            pass

    def floor() -> None:
        start = next(numbers)[0] % (len(images) - 80 * BLOCK)
        for task in range(BLOCK):
            images[start + 80 * task : start + 80 * (task + 1)].clone()

    assert ratio_of_best(benchmark, ours, floor) >= 0.5
