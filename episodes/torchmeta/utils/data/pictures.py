"""Classes as datasets of pictures, and batches of their tasks gathered without a Python call an image."""

from __future__ import annotations

import io
import mmap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, Grayscale, Normalize, Pad, Resize, ToTensor

from episodes.banks.images import check_memory
from episodes.errors import DataError
from episodes.torchmeta.transforms.augmentations import HorizontalFlip, Rotation, VerticalFlip
from episodes.torchmeta.transforms.categorical import Categorical, FixedCategory
from episodes.torchmeta.transforms.target_transforms import DefaultTargetTransform
from episodes.torchmeta.transforms.utils import steps_of
from episodes.torchmeta.utils.data.task import ConcatTask, Dataset, SubsetTask

# They make the same of the same, and pictures of one size of pictures of one size.
PICTURE_STEPS = (CenterCrop, Grayscale, HorizontalFlip, Pad, Resize, Rotation, VerticalFlip)
# They treat a stack of tensors as they treat each.
TENSOR_STEPS = (Normalize,)
# Of one target they make the same each time.
TARGET_STEPS = (Categorical, DefaultTargetTransform, FixedCategory)


class Recipe(NamedTuple):
    """A transform in two parts: what is done to the picture, and what to its tensor."""

    picture_steps: list[Any]
    tensor_steps: list[Any]


def recipe_of(transform: Any, augmentations: Sequence[Any], *, one_size: bool) -> Recipe | None:
    """The parts of a transform around its `ToTensor`.

    None where a step, or an augmentation, is not a known one, or leaves pictures of several sizes as they are.

    Args:
        transform, augmentations: as a class dataset has them.
        one_size: whether the pictures have one size before it.
    """
    steps = list(steps_of(transform))
    places = [place for place, step in enumerate(steps) if type(step) is ToTensor]
    if not places:
        return None
    recipe = Recipe(steps[: places[0]], steps[places[0] + 1 :])
    on_pictures = [*recipe.picture_steps, *augmentations]
    known = all(type(step) in PICTURE_STEPS and not getattr(step, "expand", False) for step in on_pictures)
    if not (one_size or (known and any(_gives_one_size(step) for step in recipe.picture_steps))):
        return None
    return recipe if known and all(type(step) in TENSOR_STEPS for step in recipe.tensor_steps) else None


def _gives_one_size(step: Any) -> bool:
    return isinstance(step, CenterCrop) or (isinstance(step, Resize) and not isinstance(step.size, int))


class Stacked(NamedTuple):
    """Pictures that are one tensor already.

    Attributes:
        images: `[M, C, H, W]` uint8.
        starts: `[classes]` int64, each class's first row; its others follow.
    """

    images: Tensor
    starts: NDArray[np.int64]


class Pictures:
    """The images of every class, and of its augmentations, as a recipe leaves them before they become floats.

    They are made when their class is first drawn and kept as uint8. Where they are stacked already and the recipe
    leaves them as they are, it is that tensor itself.

    Args:
        data: the pictures of each class, as in `PictureClass`.
        names: of the classes, keys of `data`; class i of augmentation a is number `a * len(names) + i`, a = 0 for none.
        augmentations: of the classes.
        recipe: what is done to each.
        stacked: the same pictures, if they are one tensor.

    Raises:
        DataError: they do not fit in memory, or the first cannot be read.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        names: Sequence[str],
        augmentations: list[Any],
        recipe: Recipe,
        stacked: Stacked | None,
    ) -> None:
        self._data = data
        self._names = names
        self._augmentations = augmentations
        self._recipe = recipe
        first = to_picture(data[names[0]][0])
        done = _apply(recipe.picture_steps, first)
        if stacked is not None and done is first and not augmentations:
            self.images, self.starts = stacked
            self._made = np.ones(len(names), dtype=np.bool_)
        else:
            sizes = np.tile([len(data[name]) for name in names], 1 + len(augmentations))
            self.starts = np.cumsum(sizes) - sizes
            shape = (int(sizes.sum()), *_to_array(done).shape)
            check_memory("the class dataset", shape)
            self.images = torch.from_numpy(_shared_zeros(shape, np.uint8))
            self._made = _shared_zeros((len(sizes),), np.bool_)

    def first_row(self, number: int) -> int:
        """The row of `images` with that class's first image; its other images follow."""
        if not self._made[number]:
            self._make(number)
            self._made[number] = True
        return int(self.starts[number])

    def gather(self, rows: NDArray[np.int64]) -> Tensor:
        """Those rows as the whole recipe makes them, `[len(rows), C, H, W]` floats."""
        inputs = self.images.index_select(0, torch.from_numpy(rows)).to(torch.get_default_dtype()).div_(255)
        done: Tensor = _apply(self._recipe.tensor_steps, inputs)
        return done

    def _make(self, number: int) -> None:
        augmentation, place = divmod(number, len(self._names))
        steps = [*self._augmentations[augmentation - 1 : augmentation], *self._recipe.picture_steps]
        for row, content in enumerate(self._data[self._names[place]][:], start=int(self.starts[number])):
            self.images[row] = torch.from_numpy(_to_array(_apply(steps, to_picture(content))))


class PictureClass(Dataset):
    """The pictures of one class: item i is the pair of a picture (as transformed) and the class's name (likewise).

    Args:
        index: its number in its class dataset.
        data: its pictures, each a uint8 array: `[H, W]` grey, `[H, W, 3]` in colour, or `[bytes]`, a picture file.
        name: the target of each.
        transform, target_transform: see `Dataset`.
        pictures: the same pictures as `transform` leaves them; None where that has to be found out item by item.
    """

    def __init__(
        self,
        index: int,
        data: Any,
        name: Any,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, transform, target_transform)
        self.data = data
        self.name = name
        self._pictures = pictures
        self._transform_of_pictures = transform

    @property
    def pictures(self) -> Pictures | None:
        return self._pictures if self.transform is self._transform_of_pictures else None

    def target(self) -> Any:
        """The class's name after the target transform."""
        return self.name if self.target_transform is None else self.target_transform(self.name)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = to_picture(self.data[index])
        return picture if self.transform is None else self.transform(picture), self.target()


class Rows(NamedTuple):
    """Where a task's images are.

    Attributes:
        pictures: the tensor that has them.
        numbers: `[n]` int64, their rows.
        classes: the task's classes.
        owners: `[n]` int64, the place in `classes` of each image's class.
    """

    pictures: Pictures
    numbers: NDArray[np.int64]
    classes: list[PictureClass]
    owners: NDArray[np.int64]

    def targets(self) -> list[Any]:
        """The target of each, as indexing the task item by item gives them."""
        owners = self.owners.tolist()
        if not all(type(step) in TARGET_STEPS for owner in self.classes for step in steps_of(owner.target_transform)):
            return [self.classes[owner].target() for owner in owners]
        of_class = {owner: self.classes[owner].target() for owner in dict.fromkeys(owners)}
        return [of_class[owner] for owner in owners]


def rows_of(parts: list[Any]) -> list[Rows] | None:
    """Where the images of each part of a task are; None where only the items can say. Calls no target transform."""
    whole: dict[int, Rows | None] = {}
    found = []
    for part in parts:
        task = part.dataset if type(part) is SubsetTask else part
        rows = whole[id(task)] = whole[id(task)] if id(task) in whole else _rows_of_classes(task)
        if rows is None:
            return None
        if part is not task:
            chosen = np.asarray(part.indices, dtype=np.int64)
            rows = rows._replace(numbers=rows.numbers[chosen], owners=rows.owners[chosen])
        found.append(rows)
    return found


def _rows_of_classes(task: Any) -> Rows | None:
    if type(task) is not ConcatTask or any(
        type(owner).__getitem__ is not PictureClass.__getitem__ for owner in task.datasets
    ):
        return None
    classes = [owner for owner in task.datasets if isinstance(owner, PictureClass)]
    pictures = classes[0].pictures
    if pictures is None or any(owner.pictures is not pictures for owner in classes):
        return None
    sizes = [len(owner) for owner in classes]
    owners = np.repeat(np.arange(len(classes)), sizes)
    shifts = np.array([pictures.first_row(owner.index) for owner in classes]) - np.cumsum([0, *sizes[:-1]])
    return Rows(pictures, np.arange(len(owners)) + shifts[owners], classes, owners)


def to_picture(array: NDArray[np.uint8]) -> Image.Image:
    """`[H, W]` as a picture of mode L, `[H, W, 3]` or a picture file's bytes as one of mode RGB.

    Raises:
        DataError: a file's bytes that cannot be read.
    """
    if array.ndim > 1:
        return Image.fromarray(array)
    try:
        return Image.open(io.BytesIO(array.tobytes())).convert("RGB")
    except Exception as error:  # Pillow's readers raise whatever the broken bytes lead to
        raise DataError(
            f"a picture of {array.size:,} bytes cannot be read ({error}); download its files again"
        ) from None


def _to_array(picture: Image.Image) -> NDArray[np.uint8]:
    array = np.array(picture)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


def _apply(steps: Sequence[Any], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


def _shared_zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Memory in common with forked processes, so that what a loader's worker makes is made for all."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)
