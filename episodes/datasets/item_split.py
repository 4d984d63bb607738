"""Which items of each class are for training and which for test, where both have all classes."""

from __future__ import annotations

import numpy as np

from episodes.banks.bank import ItemBank
from episodes.datasets.splitting import AnyItems
from episodes.errors import DataError, counted

FEWEST = 3  # items of a class: one for test, one for validation, and one to learn from


def halves(bank: AnyItems) -> tuple[AnyItems, AnyItems]:
    """The first half of each class's items for training, and the second for test; of an odd number one more to train.

    The items of each class are shuffled first (Philox, with the bank's fingerprint as its key), so the same items
    always give the same halves. If any are held out, those are for test, and the others for training.

    Raises:
        DataError: a class has too few items.
    """
    if bank.held_out:
        held = bank.held_out_items
        return bank.at(f"{bank.name}/train", np.flatnonzero(~held)), bank.at(f"{bank.name}/test", np.flatnonzero(held))
    check_sizes(bank, bank.name)
    generator = np.random.Philox(key=int(bank.fingerprint, 16))
    order = np.argsort(generator.random_raw(len(bank)), kind="stable")
    shuffled = order[np.argsort(bank.labels.numpy()[order], kind="stable")]  # each class's rows in shuffled order
    within = np.arange(len(bank)) - bank.class_starts.repeat(bank.sizes)
    first = within < (bank.sizes - bank.sizes // 2).repeat(bank.sizes)
    return bank.at(f"{bank.name}/train", shuffled[first]), bank.at(f"{bank.name}/test", shuffled[~first])


def check_sizes(bank: ItemBank, name: str, fewest: int = FEWEST) -> None:
    """Raise DataError if a class has fewer items than `--task all-way` takes."""
    smallest = int(bank.sizes.argmin())
    if bank.sizes[smallest] < fewest:
        raise DataError(
            f"class '{bank.class_names[smallest]}' of '{name}' has {counted(int(bank.sizes[smallest]), bank.noun)}, "
            f"and --task all-way needs at least {fewest} of each class; add some, or leave the class out"
        )
