"""metabench and learn2learn at the same work, in turn, in one run: the ratio of their best times is what is held.

Each `benchmark` is ours; learn2learn's time for the same work and the ratio stand in its extra_info.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.data import TensorDataset

from baselines.maml import MAML
from episodes import Dataset, EpisodeSampler, FixedTask
from metabench.learner import Problem

BLOCK = 32  # tasks asked for at once
BLOCKS = 20  # a timing of ours; of learn2learn's one block is long enough


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So that neither side's threads wait for one another on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ratio_of_best(
    benchmark: BenchmarkFixture, ours: Callable[[], Any], theirs: Callable[[], Any], more_work: int = 1
) -> float:
    """How many times as long theirs takes for as much work as ours, which does `more_work` times as much a call.

    Each is timed in turn, so that a busy machine slows both.
    """
    their_times, our_times = [], []

    def timed(times: list[float], work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)

        return run

    benchmark.pedantic(timed(our_times, ours), setup=timed(their_times, theirs), rounds=12, warmup_rounds=1)
    ratio = more_work * min(their_times[1:]) / min(our_times[1:])
    benchmark.extra_info.update(learn2learn_seconds=min(their_times[1:]), times_as_fast=round(ratio, 2))
    return ratio


def test_tasks_are_sampled_30_times_as_fast(benchmark: BenchmarkFixture, glyphs: Dataset, learn2learn: Any) -> None:
    """5-way 1-shot 15-query tasks of uint8 28 x 28 images in memory, in blocks of 32."""
    bank = glyphs.train
    sampler = EpisodeSampler(bank, FixedTask(5, 1, 15), seed=0)
    dataset = learn2learn.data.MetaDataset(TensorDataset(bank.images, bank.labels))
    transforms = learn2learn.data.transforms
    recipe = [
        *(transforms.NWays(dataset, 5), transforms.KShots(dataset, 1 + 15), transforms.LoadData(dataset)),
        *(transforms.RemapLabels(dataset), transforms.ConsecutiveLabels(dataset)),
    ]
    tasks = learn2learn.data.Taskset(dataset, recipe, num_tasks=-1)  # the new name of TaskDataset
    drawn = iter(range(10**9))

    def ours() -> None:
        for _ in range(BLOCKS):
            start = next(drawn) * BLOCK
            sampler.batch(range(start, start + BLOCK))

    def theirs() -> None:
        for _ in range(BLOCK):
            tasks.sample()

    assert sampler.batch([0]).query[0].shape[0] + sampler.batch([0]).support[0].shape[0] == len(tasks.sample()[0])
    assert ratio_of_best(benchmark, ours, theirs, more_work=BLOCKS) >= 30


@pytest.mark.parametrize("backbone", ["conv4", "conv4-strided"])
def test_a_maml_step_is_no_slower(
    benchmark: BenchmarkFixture, glyphs: Dataset, learn2learn: Any, backbone: str
) -> None:
    """Second order, one inner step, four 5-way 1-shot tasks, queries normalised as learn2learn's users do."""
    options = MAML.Options(backbone=backbone, inner_steps=1, inner_learning_rate=0.4, transductive=True)
    learner = MAML(Problem((1, 28, 28), glyphs.train.classes, FixedTask(5, 1)), options)
    batch = EpisodeSampler(glyphs.train, FixedTask(5, 1, 5), seed=0).batch(range(4)).to_float()
    reference = learn2learn.algorithms.MAML(learner.network, lr=0.4, first_order=False)

    def ours() -> None:
        for part in learner.loss(batch):
            part.backward()

    def theirs() -> None:
        for number in range(len(batch)):
            clone = reference.clone()
            clone.adapt(F.cross_entropy(clone(batch.support[number]), batch.support_labels[number]))
            loss = F.cross_entropy(clone(batch.query[number]), batch.query_labels[number])
            (loss / len(batch)).backward()

    assert ratio_of_best(benchmark, ours, theirs) >= 0.85  # equal, with room for the clock's noise
