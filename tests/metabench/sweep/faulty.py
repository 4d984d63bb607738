"""A learner that goes wrong as it is told to, from its seventh training step on over all attempts."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from baselines.metric.protonet import ProtoNet
from metabench.learner import LabelledEpisodeBatch, option


class Faulty(ProtoNet):
    """ProtoNet, but for that."""

    @dataclass(frozen=True)
    class Options(ProtoNet.Options):
        fault: str = option("none", "raise, memory, kill, once, sleep or wait")

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        here = Path(self.options.fault)
        with here.with_suffix(".calls").open("a") as file:
            file.write(".")
        if here.with_suffix(".calls").stat().st_size >= 7:
            go_wrong(self.options.fault, here)
        return super().loss(episodes)


def go_wrong(fault: str, here: Path) -> None:
    """Do what the option says, in the current folder."""
    if fault == "raise":
        raise ValueError("it broke")
    if fault == "memory":
        raise MemoryError
    if fault == "kill" or (fault == "once" and not here.exists()):
        here.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    while fault == "sleep" or (fault == "wait" and not here.exists()):
        time.sleep(0.05)
