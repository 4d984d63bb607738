"""Pictures whose classes are known, from folders or a table: decoded once, split, then read from the cache."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.layout import Layout
from episodes.datasets.rows import refuse_alone, warn_of_case
from episodes.datasets.splitting import by_names, own_parts, split_classes, split_key, split_name
from episodes.errors import counted
from episodes.files.bank_cache import cached_dataset
from episodes.files.cache import content_key
from episodes.files.pictures import Pictures


@dataclass(frozen=True)
class Labelled:
    """Pictures of a folder or an archive with their classes.

    A picture's shorter side is resized to the size with antialiasing, then the middle is cropped. EXIF rotation is
    applied, and transparent pictures are put on white (see `episodes.banks.pixels.flat`). Decoded once, in parallel,
    then read from the cache until a file is added, removed or written (see `episodes.files.cache.content_key`).

    Attributes:
        pictures: that have them.
        paths: of those that count, below its root.
        layout: the class of each, in their order; the classes' groups; and the parts of their own split, if any.
        source: files beside them on which the classes depend, such as a table.
    """

    pictures: Pictures
    paths: Sequence[str]
    layout: Layout
    source: Sequence[Path] = ()

    def load(self, name: str, options: DataOptions, own: str) -> Dataset[ImageBank]:
        """The dataset of that name, as RGB (--channels 1: grey) of 84 x 84 (--image-size).

        Split as asked, or by its own parts, or else as `episodes.datasets.splitting.split_classes` says. Pictures that
        are there twice are warned of.

        Args:
            name: short, without a path.
            options: what was asked.
            own: what records call the split by its own parts.

        Raises:
            DataError: parts that make no split, pictures that cannot be read, or as `split_classes`.
        """
        parts = own_parts(self.pictures.root, options.split, self.layout.parts)
        asked = own if parts else options.split or split_name(None, len(self.layout.groups))
        warn_of_case(self.pictures.root, "classes", self.layout.groups, 1)

        def split(images: Tensor) -> Dataset[ImageBank]:
            bank = self.bank(name, images)
            return by_names(bank, bank.name, own, parts) if parts else split_classes(bank, asked)

        return self._cached(name, split_name(asked, 0), options, split_key(asked), split)

    def load_all(
        self, name: str, options: DataOptions, training: Collection[int], test: Collection[int]
    ) -> tuple[ImageBank, ImageBank]:
        """All classes for training and for test, from the pictures of the given numbers; arguments and errors as of
        `load`, and DataError for a class that has pictures for one of the two alone."""
        place = self.source[0] if self.source else self.pictures.root
        refuse_alone(place, ImageBank.noun, *({self.layout.classes[row] for row in rows} for rows in (training, test)))

        def parted(images: Tensor) -> Dataset[ImageBank]:
            learn, tell = (
                self.bank(f"{name}/{part}", images, rows) for part, rows in (("train", training), ("test", test))
            )
            return Dataset(name, "", learn, learn, tell)

        dataset = self._cached(name, "", options, repr((sorted(training), sorted(test))), parted)
        return dataset.train, dataset.test

    def bank(self, name: str, images: Tensor, rows: Collection[int] | None = None) -> ImageBank:
        """A bank of all decoded images, or of those of the given numbers; its classes are sorted by name."""
        classes = sorted(self.layout.groups)
        number = {class_name: index for index, class_name in enumerate(classes)}
        labels = [number[each] for each in self.layout.classes]
        if rows is not None:
            images, labels = images[torch.tensor(sorted(rows))], [labels[row] for row in sorted(rows)]
        groups = [self.layout.groups[each] for each in classes]
        return ImageBank.from_labels(name, images, labels, classes, groups)

    def _cached(
        self, name: str, split: str, options: DataOptions, key: str, make: Callable[[Tensor], Dataset[ImageBank]]
    ) -> Dataset[ImageBank]:
        """What `make` gives of all pictures, or the cache; `key` is another for another split."""
        size, channels = options.image_size or 84, options.channels or 3
        copies: list[list[str]] = []  # pictures with the content of an earlier one, each with that one

        def decoded() -> Dataset[ImageBank]:
            images = self.pictures.decode(self.paths, size, channels)
            copies[:] = map(list, self.pictures.copies)
            return make(images)

        files = [*self.pictures.files(self.paths), *self.source]
        dataset = cached_dataset(name, split, content_key(files, size, channels, key), decoded, copies)
        self._warn_of_copies(copies)
        return dataset

    def _warn_of_copies(self, copies: Sequence[Sequence[str]]) -> None:
        """A picture that is twice in a class may be support and query of a task; in two classes, it has two labels."""
        class_of = dict(zip(self.paths, self.layout.classes, strict=True))
        for what, alike in (("the same class", True), ("different classes", False)):
            found = [pair for pair in copies if (class_of[pair[0]] == class_of[pair[1]]) == alike]
            if found:
                warnings.warn(
                    f"'{self.pictures.root}' has {counted(len(found), 'pictures')} with the content of others in "
                    f"{what}, such as '{found[0][0]}' of '{found[0][1]}'; scores are too high or too low by them: "
                    "remove copies",
                    stacklevel=2,
                )
