import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from baselines.gradient.maml import MAML
from baselines.metric.protonet import ProtoNet
from baselines.transfer.finetune import FineTune
from episodes import Dataset, EpisodeBatch, EpisodeSampler, FixedTask
from metabench.evaluation.cost import MOST_QUERIES, classify_latency, task_megabytes, task_multiply_adds
from metabench.learner import Batches, Learner, Problem, Stage, TrainingOptions
from metabench.training.loop import train
from metabench.training.plan import TrainingPlan
from tests.made_banks import numbered_bank

TASK = FixedTask(ways=3, shots=2, queries=4)
DEVICES = ["cpu", *["cuda"][: torch.cuda.is_available()]]


class Hungry(Learner):
    """Holds 4 MiB, then 8, then 12 (a step inside of one line), and when the first 4 are given back, 9."""

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        first = torch.zeros(2**20, device=episodes.query.device)
        second = first + 1
        third = (first * second).relu_()
        del first
        fourth = torch.ones(2**18, device=third.device)
        return (third[0] + fourth[0]).expand(*episodes.query.shape[:2], episodes.ways)


@pytest.mark.parametrize("device", DEVICES)
def test_memory_is_the_most_that_tensors_take_at_once(device: str, toy: Dataset) -> None:
    learner = Hungry(Problem((1, 28, 28), 8, TASK), TrainingOptions())
    assert task_megabytes(learner, EpisodeSampler(toy.test, TASK, 0, device)) == pytest.approx(12, abs=0.01)


def test_a_wider_network_takes_more(toy: Dataset) -> None:
    problem, source = Problem((1, 28, 28), 8, TASK), EpisodeSampler(toy.test, TASK, 0)
    narrow, wide = (
        task_megabytes(ProtoNet(problem, ProtoNet.Options(backbone=name)).train(), source)
        for name in ("conv4:8", "conv4:64")
    )
    # The first block of 64 filters gives 64 * 28 * 28 floats for each of the 18 images.
    assert wide > 18 * 64 * 28 * 28 * 4 / 2**20
    assert 4 < wide / narrow < 10


def test_nothing_is_printed_and_the_mode_is_left_as_it_was(toy: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    learner = ProtoNet(Problem((1, 28, 28), 8, TASK), ProtoNet.Options(backbone="conv4:8")).train()
    task_megabytes(learner, EpisodeSampler(toy.test, TASK, 0))
    assert learner.training
    assert capfd.readouterr() == ("", "")


FIRST = 28 * 28 * 9 * 8  # multiply-adds of conv4:8's first 3 x 3 convolution for one image of 28 x 28
FORWARD = FIRST + (14 * 14 + 7 * 7 + 3 * 3) * 9 * 8 * 8  # of all four
BACK = 2 * FORWARD - FIRST  # to weights and to inputs, which the first convolution needs not


def test_multiply_adds_of_a_task_by_hand(toy: Dataset) -> None:
    """6 support images and 12 queries; features of 8 numbers."""
    problem, source = Problem((1, 28, 28), 8, TASK), EpisodeSampler(toy.test, TASK, 0)
    protonet = ProtoNet(problem, ProtoNet.Options(backbone="conv4:8")).train()
    means = 3 * 6 * 8
    assert task_multiply_adds(protonet, source) in (18 * FORWARD + means, 18 * FORWARD + means + 12 * 3 * 8)
    assert protonet.training
    for steps in (1, 2):
        maml = MAML(problem, MAML.Options(backbone="conv4:8", test_inner_steps=steps))
        head = 3 * 8
        inner = 6 * (FORWARD + BACK + 3 * head)
        assert task_multiply_adds(maml, source) == steps * inner + 18 * (FORWARD + head)


def trained(learner: Any, dataset: Dataset, folder: Path) -> Any:
    validation = EpisodeSampler(dataset.validation, TASK, 0)
    return train(learner, dataset, TrainingPlan(0, "float32", validation, 2, folder / "checkpoint.pt", {}))


def test_multiply_adds_of_training_are_those_of_its_steps(toy: Dataset, tmp_path: Path) -> None:
    options = FineTune.Options(backbone="conv4:8", steps=4, batch_size=16)
    log = trained(FineTune(Problem((1, 28, 28), 8, TASK), options), toy, tmp_path)
    head = 8 * 8  # 8 features, 8 training classes
    assert log.multiply_adds == 4 * 16 * (FORWARD + BACK + 3 * head)


class Waiting(Learner):
    """One step that takes a while, of the clock or of the processor."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__(Problem((1, 28, 28), 8, TASK), TrainingOptions())
        self.weight, self.wait = torch.nn.Parameter(torch.ones(())), wait

    def stages(self) -> list[Stage]:
        return [Stage("wait", Batches(2), self.loss, self, TrainingOptions(steps=1))]

    def loss(self, batch: object) -> torch.Tensor:
        self.wait()
        return self.weight * 1

    def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
        return torch.zeros(*episodes.query.shape[:2], episodes.ways)


def busy() -> None:
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass


def test_processor_seconds_are_no_waiting(toy: Dataset, tmp_path: Path) -> None:
    slept, worked = (trained(Waiting(wait), toy, tmp_path) for wait in (lambda: time.sleep(0.5), busy))
    assert slept.seconds >= 0.5
    assert slept.processor_seconds < 0.4
    assert 0.5 <= worked.processor_seconds < 1


def test_of_a_task_with_many_queries_some_are_measured() -> None:
    class Asked(Learner):
        queries: ClassVar[list[int]] = []

        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            self.queries.append(episodes.query.shape[1])
            return torch.zeros(*episodes.query.shape[:2], episodes.ways)

    for queries, expected in ((4, 12), (20, 60), (40, MOST_QUERIES)):
        task = FixedTask(3, 2, queries)
        source = EpisodeSampler(numbered_bank((50,) * 3), task, 0)
        learner = Asked(Problem(source.bank.item_shape, 8, task), TrainingOptions())
        Asked.queries.clear()
        task_megabytes(learner, source)
        task_multiply_adds(learner, source)
        classify_latency(learner, source, 2, repeats=2)
        assert set(Asked.queries) == {expected}
        assert len(Asked.queries) == 5


def test_latency_is_the_time_of_one_task(toy: Dataset) -> None:
    class Slow(Learner):
        asked = 0

        def classify(self, episodes: EpisodeBatch) -> torch.Tensor:
            self.asked += 1
            time.sleep(0.5 if self.asked == 1 else 0.02)  # the first one warms up
            return torch.zeros(*episodes.query.shape[:2], episodes.ways)

    learner = Slow(Problem(toy.train.item_shape, 8, FixedTask(3, 2, 4)), TrainingOptions())
    assert 20 <= classify_latency(learner, EpisodeSampler(toy.test, FixedTask(3, 2, 4), 0), 2, repeats=5) < 200
    assert learner.asked == 6
