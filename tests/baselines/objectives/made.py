"""Objectives of pictures on a small network, and pictures for them."""

from typing import Any

import torch

from metabench.backbone import build_backbone
from metabench.objective import LabelledBatch, PictureObjective, get_objective
from tests.made_pictures import CLASSES, bank

SHAPE = (1, 16, 16)


def objective(name: str, shape: tuple[int, int, int] = SHAPE, **options: Any) -> Any:
    """One of a registered name, of the same first weights each time."""
    kind = get_objective(name)
    assert issubclass(kind, PictureObjective)
    made = kind.Options(**{"backbone": "vit:8" if name == "masked-image" else "conv4:4", **options})
    torch.manual_seed(0)
    return kind(build_backbone(made.backbone, shape), shape, made, CLASSES)


def batch(channels: int = 1) -> LabelledBatch:
    """All training pictures of `tests.made_pictures`."""
    found = bank("train", 0, channels)
    return LabelledBatch(found.images.float() / 255, found.labels)


def step(trained: Any, optimizer: torch.optim.Optimizer, data: LabelledBatch) -> float:
    """The loss before a step on these pictures."""
    optimizer.zero_grad()
    loss = trained.loss(data)
    loss.backward()
    optimizer.step()
    return float(loss.detach())
