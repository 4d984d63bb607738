"""A first stage that several runs share, such as the pre-training of one backbone under five heads: trained once.

Which weights a stage passes through does not depend on who looks at them. So the run that trains it keeps them at each
validation, and the others take them from there and validate for themselves, each with its own head and tasks: every
record is the one that the run alone would have made. Each of them first takes one step itself. Where that does not lead
to the very same weights, it trains the stage on its own.

Where training draws random numbers, as dropout does, what a run draws depends on all that it drew before, and it trains
on its own, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from episodes.dataset import Dataset
from episodes.files.atomic import made_by_one
from metabench.config import RunConfig
from metabench.learner import Learner, TrainingOptions
from metabench.records.checkpoint import load_tensors, save_tensors

BEGUN, DONE = "begun.pt", "done.pt"


class SharedStage:
    """The folder of a stage that is shared, as the run sees it that trains it or follows it."""

    def __init__(self, folder: Path, module: nn.Module) -> None:
        self.folder, self.module = folder, module
        self.device = next(module.parameters()).device
        self.random = random_state(self.device)
        self.lock = ExitStack()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it no other process trains the stage, until it is known whether it can be shared."""
        with self.lock:
            if not is_settled(self.folder):
                self.lock.enter_context(made_by_one(self.folder / DONE))
            if is_settled(self.folder):  # by another, meanwhile
                self.lock.close()
            yield

    def begun(self) -> Sequence[int]:
        """Called after the first step: at which steps the weights are kept that the same first step led to, if any."""
        if is_settled(self.folder):
            said = load_tensors(self.folder / DONE, steps=list, digest=str)
            return said["steps"] if said["digest"] == state_digest(self.module) else ()
        begun = {"digest": state_digest(self.module), "random": self.random}
        save_tensors(self.folder / BEGUN, begun)
        if random_state(self.device) != self.random:
            self._settle(begun["digest"], [])
        return ()

    def keep(self, step: int, losses: list[float], images: int, seconds: NDArray[np.float64]) -> None:
        """The weights at a validation, with what led there since the one before; of images all so far."""
        if not is_settled(self.folder):
            content = {
                "module": self.module.state_dict(),
                "losses": losses,
                "images": images,
                "seconds": seconds.tolist(),
            }
            save_tensors(self._point(step), content)

    def read(self, step: int) -> dict[str, Any]:
        """What `keep` was given, with the module at that step, whose weights are put in place."""
        point = load_tensors(self._point(step), module=dict, losses=list, images=int, seconds=list)
        self.module.load_state_dict(point["module"])
        return point

    def finish(self, steps: list[int]) -> None:
        """The stage is trained: whoever comes next finds it, unless random numbers were drawn in it."""
        if is_settled(self.folder) or not (self.folder / BEGUN).exists():
            return
        begun = load_tensors(self.folder / BEGUN, digest=str, random=str)
        whole = begun["random"] == random_state(self.device) and all(self._point(step).exists() for step in steps)
        self._settle(begun["digest"], steps if whole else [])

    def _settle(self, digest: str, steps: list[int]) -> None:
        save_tensors(self.folder / DONE, {"digest": digest, "steps": steps})
        self.lock.close()

    def _point(self, step: int) -> Path:
        return self.folder / f"step-{step}.pt"


def is_settled(folder: Path) -> bool:
    """Whether the stage has been trained, or is known to be one that each run trains on its own."""
    return (folder / DONE).exists()


def stage_key(config: RunConfig, learner: Learner, dataset: Dataset[Any]) -> str | None:
    """What the weights in a learner's first stage depend on, as 32 hexadecimal digits; None if it is not trained.

    Args:
        config: as resolved, with its number of threads.
        learner: untrained, on the CPU.
        dataset: that it will be trained on.
    """
    stage = next(iter(learner.stages()), None)
    loss = getattr(stage and stage.loss, "__func__", None)
    if stage is None or loss is None or not stage.options.steps:
        return None
    training = {item.name: getattr(stage.options, item.name) for item in fields(TrainingOptions)}
    facts = [
        stage.name,
        repr(stage.data),
        f"{loss.__module__}.{loss.__qualname__}",
        training,
        _options_of(stage.loss),
        stage.clip,
        stage.beside,
        state_digest(stage.module),
        dataset.train.fingerprint,
        list(dataset.train.item_shape),
        config.training.seed,
        config.training.precision,
        config.task.train_task,
        config.machine.model_dump(),
        [version(package) for package in ("metabench", "torch")],
    ]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def _options_of(loss: Any) -> dict[str, Any]:
    """The options that are known where a loss is written, such as by which part of training it anneals something.

    Those of the classes below, as of a head that another class adds, are not: that the first step is the same says it.
    """
    owner = loss.__self__
    kind = next(each for each in type(owner).__mro__ if loss.__func__ in vars(each).values())
    known, options = getattr(kind, "Options", None), getattr(owner, "options", None)
    if known is None or options is None:
        return {}
    return {item.name: getattr(options, item.name, None) for item in fields(known)}


def state_digest(module: nn.Module) -> str:
    """32 hexadecimal digits over a module's weights and buffers, names and shapes included."""
    made = hashlib.blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        made.update(f"{name} {values.dtype} {tuple(values.shape)};".encode())
        made.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return made.hexdigest()


def random_state(device: torch.device) -> str:
    """A digest of the state of torch's generators, of the CPU and of the device."""
    made = hashlib.blake2b(torch.get_rng_state().numpy().tobytes(), digest_size=16)
    if device.type == "cuda":
        made.update(torch.cuda.get_rng_state(device).numpy().tobytes())
    return made.hexdigest()
