"""BatchSampler: labelled images over all classes of a bank, for supervised training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from episodes.banks.bank import ItemBank
from episodes.episode import to_float
from episodes.errors import DataError
from episodes.uniforms import generator_key


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Attributes:
    images: `[n, C, H, W]` float32 in [0, 1].
    labels: `[n]` int64, the class's number in the training bank; of sentences one for each word, 0 outside.
    """

    images: Tensor
    labels: Tensor


class BatchSampler:
    """Batch i is a pure function of (bank fingerprint, size, seed, i): each epoch shuffles all images anew.

    The images that are left when an epoch no longer fills a batch are dropped.

    Raises:
        DataError: if the batch is larger than the bank.
    """

    def __init__(self, bank: ItemBank, size: int, seed: int, device: torch.device | str = "cpu") -> None:
        if not 1 <= size <= len(bank):
            raise DataError(f"a batch of {size} {bank.noun} is not possible: '{bank.name}' has {len(bank)}")
        self.size = size
        self.bank = bank
        self.labels = bank.labels.to(device)
        self._key = generator_key(bank.fingerprint, size, seed)
        self._epoch = -1
        self._order = np.zeros(0, dtype=np.int64)

    def batch(self, number: int) -> LabelledBatch:
        """The batch of that number, on the sampler's device."""
        epoch, place = divmod(number, len(self.bank) // self.size)
        if epoch != self._epoch:
            raw = np.random.Philox(key=self._key, counter=epoch << 64).random_raw(len(self.bank))
            self._epoch, self._order = epoch, np.argsort(raw, kind="stable")
        rows = torch.from_numpy(self._order[place * self.size : (place + 1) * self.size]).to(self.labels.device)
        return LabelledBatch(to_float(self.bank.gather(rows)), self.labels.index_select(0, self.bank.items_of(rows)))
