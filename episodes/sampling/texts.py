"""TextSampler: texts without labels, of like length in each batch, for pre-training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from episodes.banks.text import TextBank
from episodes.errors import DataError
from episodes.uniforms import generator_key

POOL = 50  # batches whose texts are sorted by length together


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Attributes:
    ids: `[n, L]` int32 token ids, each plus 1; 0 is padding.
    key: of a counter-based generator, another one for each batch, for what is drawn anew each time, such as masks.
    """

    ids: Tensor
    key: int


class TextSampler:
    """Batch i is a pure function of (bank fingerprint, its texts' token ids, size, seed, i).

    Each epoch shuffles all texts anew, and sorts them by length within `POOL` batches, so that little of a batch is
    padding. The texts that are left when an epoch no longer fills a batch are dropped.

    Raises:
        DataError: if the batch is larger than the bank.
    """

    def __init__(self, bank: TextBank, size: int, seed: int, device: torch.device | str = "cpu") -> None:
        if not 1 <= size <= len(bank):
            raise DataError(f"a batch of {size} {bank.noun} is not possible: '{bank.name}' has {len(bank)}")
        self.size = size
        self.bank = bank
        self.device = torch.device(device)
        self._key = generator_key("texts", bank.fingerprint, size, seed)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def batch(self, number: int) -> TextBatch:
        """The batch of that number, on the sampler's device."""
        epoch, place = divmod(number, len(self.bank) // self.size)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._drawn(epoch)
        ids = self.bank.gather(self._order[place].to(self.device))
        return TextBatch(ids, generator_key("batch", self._key, number))

    def _drawn(self, epoch: int) -> Tensor:
        """The rows of each batch of an epoch, `[batches, size]`."""
        batches = len(self.bank) // self.size
        raw = np.random.Philox(key=self._key, counter=epoch << 64).random_raw(len(self.bank) + batches)
        texts, order = (np.argsort(part, kind="stable") for part in np.split(raw, [len(self.bank)]))
        rows = torch.from_numpy(texts[: batches * self.size])
        pools = [self.bank.by_length(pool) for pool in torch.split(rows, POOL * self.size)]
        return torch.cat(pools).view(batches, self.size)[torch.from_numpy(order)]
