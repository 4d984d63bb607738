"""The validation of a pre-training, always on the same texts or pictures, whatever the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from episodes.banks.bank import ItemBank
from episodes.banks.text import TextBank
from episodes.episode import to_float
from episodes.sampling.batches import LabelledBatch
from episodes.sampling.texts import TextBatch
from episodes.uniforms import generator_key
from metabench.learner import Batches, Stage, Texts, Trainable
from metabench.objective import Objective, PretrainingOptions

MOST_TEXTS, MOST_IMAGES = 4096, 2048  # of a validation, evenly spaced over all
BATCH = 64  # of them at once
AT_ONCE = 1024  # whose neighbours are looked for together


class Pretraining(Trainable):
    """An objective as what the loop trains: one stage, with a validation of its own."""

    def __init__(self, name: str, objective: Objective, validation: ItemBank, options: PretrainingOptions) -> None:
        super().__init__()
        self.name, self.objective, self.validation, self.options = name, objective, validation, options

    def stages(self) -> list[Stage]:
        objective, options = self.objective, self.options
        data = (Texts if objective.kind == "text" else Batches)(options.batch_size)
        return [Stage(self.name, data, objective.loss, objective, options, clip=options.clip, values=self.values)]

    @torch.no_grad()
    def values(self) -> dict[str, float]:
        """What validation gives, by name; the lower the first, the better the weights. No random stream moves."""
        device = next(self.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            objective = self.objective.eval()
            if isinstance(self.validation, TextBank):
                return objective.values(text_batches(self.validation, device))
            error = neighbour_error(objective.network, picture_batches(self.validation, device))
            return {"neighbour_error": error, **objective.values(picture_batches(self.validation, device))}


def text_batches(bank: TextBank, device: torch.device) -> list[TextBatch]:
    """`MOST_TEXTS` texts or all that there are, by length."""
    split = torch.split(bank.by_length(_spaced(bank, MOST_TEXTS)), BATCH)
    return [TextBatch(bank.gather(part.to(device)), generator_key("validation", i)) for i, part in enumerate(split)]


def picture_batches(bank: ItemBank, device: torch.device) -> Iterator[LabelledBatch]:
    """`MOST_IMAGES` pictures or all that there are, each batch of as many classes as it can have."""
    rows = _spaced(bank, MOST_IMAGES)
    count = -(-len(rows) // BATCH)
    for number in range(count):
        part = rows[number::count]
        yield LabelledBatch(to_float(bank.gather(part.to(device))), bank.labels[part].to(device))


def _spaced(bank: ItemBank, most: int) -> Tensor:
    """The rows of at most so many items."""
    return torch.from_numpy(np.linspace(0, len(bank) - 1, min(len(bank), most)).astype(np.int64))


def neighbour_error(network: Callable[[Tensor], Tensor], batches: Iterable[LabelledBatch]) -> float:
    """How many pictures have a nearest neighbour of another class, by the cosine of features; of 1.

    Each is left out of those that it is compared with (Cover and Hart 1967).
    """
    features, labels = zip(*((network(batch.images).float(), batch.labels) for batch in batches), strict=True)
    every, classes = F.normalize(torch.cat(features), dim=1), torch.cat(labels)
    wrong = 0
    for rows in torch.split(torch.arange(len(every), device=every.device), AT_ONCE):
        likeness = every[rows] @ every.T
        likeness[torch.arange(len(rows)), rows] = -torch.inf
        wrong += int((classes[likeness.argmax(1)] != classes[rows]).sum())
    return wrong / len(every)
