import pytest
import torch

from baselines.protonet import ProtoNet
from episodes import Dataset, EpisodeBatch, EpisodeSampler, FixedTask
from metabench.cost import task_megabytes
from metabench.learner import Learner, Problem, TrainingOptions

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
