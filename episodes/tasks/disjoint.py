"""Disjoint tasks: no image in two of them."""

from __future__ import annotations

import numpy as np

from episodes.banks.bank import ItemBank
from episodes.episode import EpisodeIndices
from episodes.errors import DataError
from episodes.tasks.fixed import FixedTask
from episodes.uniforms import distinct, generator_key, unit


def disjoint_episodes(bank: ItemBank, task: FixedTask, seed: int) -> list[EpisodeIndices]:
    """As many N-way K-shot episodes as the bank's images suffice for, each image in one of them at most.

    Each class's shuffled images are cut into blocks of shots + queries; an episode takes a block of each of `ways`
    classes, drawn without replacement with chances in proportion to the blocks that they have left, so that few blocks
    stay. Such tasks are independent of each other given the classes, which tasks that share images are not (Lafargue
    et al. 2024, section 3).

    Args:
        bank: where from.
        task: plain N-way K-shot.
        seed: which draw.

    Raises:
        DataError: the task is not plain, or the bank is too small for one episode.
    """
    if task.variant:
        raise DataError(f"--disjoint goes with plain N-way K-shot alone; leave {', '.join(task.variant)} out")
    bank.refuse_held_out("--disjoint")
    task.check(bank)
    random = np.random.Philox(key=generator_key(bank.fingerprint, task, seed, "disjoint"))
    block = task.shots + task.queries
    decks = [distinct(unit(random.random_raw(size))[None], np.array([size]))[0] for size in bank.class_sizes]
    left = bank.sizes // block
    episodes = []
    while np.count_nonzero(left) >= task.ways:
        # Successive draws by weight are the largest of exponential races (Efraimidis and Spirakis 2006).
        with np.errstate(divide="ignore"):
            race = np.log1p(-unit(random.random_raw(bank.classes))) / left
        classes = np.argsort(np.where(left > 0, -race, np.inf))[: task.ways]
        left[classes] -= 1
        images = np.stack([bank.class_starts[c] + decks[c][left[c] * block :][:block] for c in classes])
        labels = np.arange(task.ways)[None]
        episodes.append(
            EpisodeIndices(
                classes[None],
                images[:, : task.shots].reshape(1, -1),
                labels.repeat(task.shots, 1),
                images[:, task.shots :].reshape(1, -1),
                labels.repeat(task.queries, 1),
                np.zeros((1, 0), dtype=np.int64),
            )
        )
    return episodes
