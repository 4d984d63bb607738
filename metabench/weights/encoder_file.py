"""The files that `metabench pretrain` writes: a network's weights, and all that it has read or seen.

A file is safetensors, so that reading one runs nothing that is in it. It has the tensors of the network under
`encoder.`, and `items`: the sorted `item_digests` of every text or picture that it was trained on.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from episodes.banks.bank import Kind
from episodes.banks.images import ImageBank
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import Vocabulary
from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from metabench.backbone import Layers
from metabench.errors import UsageError
from metabench.escape import plain

FORMAT, EARLIER = "metabench encoder 2", "metabench encoder 1"  # that one knew texts alone
ENCODER, ITEMS, TEXTS = "encoder.", "items", "texts"  # in the names of tensors; the last in earlier files
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalisation

Count = Annotated[int, Field(ge=0, lt=2**53)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(_Part):
    """What was read: texts or pictures of a dataset, or the lines of a file.

    Attributes:
        kind: of which of the two.
        name: the dataset's, or the file's without its folder.
        split: the name of the dataset's class split; of a file empty.
        fingerprint: of the training classes' bank; of a file its SHA-256.
        validation_fingerprint: of the validation classes' bank; of a file the same as above.
        items, validation_items: how many texts or pictures were used.
        image_shape: (C, H, W) that pictures were brought to; None of texts.
        classes: the names of the training classes of pictures.
    """

    kind: Literal["dataset", "file"]
    name: str
    split: str
    fingerprint: str
    validation_fingerprint: str
    items: Count
    validation_items: Count
    image_shape: tuple[int, int, int] | None = None
    classes: tuple[str, ...] = ()


class Stretch(_Part):
    """One pre-training; a file that goes on from another has both in order.

    Attributes:
        objective: its name.
        config: every setting, without places on a machine.
        best_step: whose weights were kept.
        values: of the validation then: perplexity and masked accuracy, or others.
        sources: of the texts or pictures.
        items: how many it was trained on.
        left_out: how many were not, since a class for validation or test has them too.
        curve: a row per validation: step, mean loss since the row before, values.
        seconds: of training, validation included.
        processor_seconds: the same in processor time, which a busy machine does not stretch.
        environment: as in a record.
    """

    objective: str
    config: dict[str, Any]
    best_step: Count
    values: dict[str, float]
    sources: tuple[Source, ...]
    items: Count
    left_out: Count
    curve: list[dict[str, Any]]
    seconds: float
    processor_seconds: float | None = None
    environment: dict[str, Any]


class About(_Part):
    """What a file says of itself.

    Attributes:
        backbone: the network's name, without a place on a machine.
        vocabulary: the JSON of its tokenizer; None of a network for pictures.
        special: the tokenizer's special tokens by use.
        stages: the pre-trainings, in order.
    """

    backbone: str
    vocabulary: str | None = None
    special: dict[str, str] = Field(default_factory=dict)
    stages: tuple[Stretch, ...] = Field(min_length=1)

    @property
    def kind(self) -> Kind:
        """What the network takes: `text` or `images`."""
        return "images" if self.vocabulary is None else "text"

    @property
    def noun(self) -> str:
        """What its items are called."""
        return ImageBank.noun if self.vocabulary is None else TextBank.noun


@dataclass(frozen=True, eq=False)
class Weights:
    """A file of weights, read.

    Attributes:
        path: of the file.
        digest: its SHA-256.
        about: what it says of itself.
        tensors: of the network, by their names in it.
        items: `[M]` int64, sorted: the digest of every text or picture that it was trained on.
    """

    path: Path
    digest: str
    about: About
    tensors: dict[str, Tensor]
    items: NDArray[np.int64]

    @property
    def name(self) -> str:
        """The file's, without its folder."""
        return self.path.name

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """None of a network for pictures."""
        return None if self.about.vocabulary is None else Vocabulary(self.about.vocabulary, self.about.special)

    @property
    def outside_data(self) -> bool:
        """Whether a stage has read files of texts, which a record can name but nobody can look up."""
        return any(source.kind == "file" for stage in self.about.stages for source in stage.sources)

    def load(self, learner: str, networks: Sequence[Layers]) -> None:
        """Give the weights to every network of a learner that they are of, as a whole.

        Raises:
            UsageError: there is none, or one has other tensors; nothing was loaded.
        """
        fitting = [network for network in networks if fits(self, network)]
        if not fitting:
            names = " and ".join(dict.fromkeys(str(network.name) for network in networks))
            backbone = plain(self.about.backbone, 60)
            advice = f"give --backbone {backbone}" if names else "choose another learner"
            raise UsageError(
                f"--weights '{self.path}' is of backbone {backbone}, and learner '{learner}' has "
                f"{names or 'no network'}; {advice}, or leave --weights out"
            )
        load_into(fitting, self)


def write_weights(path: Path, about: About, network: nn.Module, items: NDArray[np.int64]) -> None:
    """Write a file atomically.

    Raises:
        episodes.DataError: it cannot be written.
    """
    tensors = {f"{ENCODER}{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    metadata = {"format": FORMAT, "about": about.model_dump_json()}
    write_bytes(path, save({**tensors, ITEMS: torch.from_numpy(np.unique(items))}, metadata))


def is_pretraining(path: Path) -> bool:
    """Whether a file says that `metabench pretrain` has written it."""
    if not path.is_file():
        return False  # a pipe would be waited for
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get("format", "")).startswith("metabench ")
    except (OSError, SafetensorError, ValueError):
        return False


def read_weights(path: Path) -> Weights:
    """Read a file, and check it.

    Raises:
        UsageError: it is missing, damaged, or of another kind.
        episodes.DataError: the package for its vocabulary is missing.
    """
    path = path.expanduser()
    digest = file_digest(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") not in (FORMAT, EARLIER):
                raise ValueError(f"its format is not '{FORMAT}'")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
        if metadata["format"] == EARLIER:
            about, items = _from_1(metadata["about"]), _digests(tensors.pop(TEXTS, None))
        else:
            about, items = About.model_validate_json(metadata["about"]), _digests(tensors.pop(ITEMS, None))
        found = Weights(
            path, digest, about, {name.removeprefix(ENCODER): value for name, value in tensors.items()}, items
        )
        if not all(name.startswith(ENCODER) for name in tensors):
            raise ValueError("it has tensors that are none of an encoder")
    except ValidationError as error:
        problem = error.errors()[0]
        raise _unusable(path, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise _unusable(path, (str(error) or type(error).__name__).splitlines()[0]) from None
    try:
        _ = found.vocabulary
    except DataError as error:
        if "needs the package" in str(error):
            raise
        raise _unusable(path, error) from None
    return found


def file_digest(path: Path) -> str:
    """The SHA-256 of a file of weights; UsageError where there is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"--weights '{path}' is no file; give a file of weights")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read --weights '{path}': {reason}; give a file of weights") from None


def short_backbone(name: str) -> str:
    """A backbone's name with the path in it cut to its last part: `hf:/models/bert` gives `hf:bert`."""
    base, colon, rest = name.partition(":")
    return f"{base}:{Path(rest).name}" if colon and "/" in rest else name


def fits(weights: Weights, network: Layers) -> bool:
    """Whether the file is of a backbone of that name."""
    return bool(network.name) and short_backbone(str(network.name)) == weights.about.backbone


def without_spare_statistics(tensors: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """A file's tensors but for the statistics of batch normalisation that the network, which has `own`, does without.

    One that normalises by the batch at hand, as `maml`'s, keeps none.
    """
    return {name: value for name, value in tensors.items() if name in own or not name.endswith(STATISTICS)}


def check_tensors(weights: Weights, network: Layers) -> None:
    """Raise UsageError unless the file has exactly the network's tensors, so that all can be loaded or none; statistics
    of batch normalisation aside (see `without_spare_statistics`)."""
    own = {name: (tuple(value.shape), value.dtype) for name, value in network.state_dict().items()}
    needed = without_spare_statistics(weights.tensors, own)
    found = {name: (tuple(value.shape), value.dtype) for name, value in needed.items()}
    for name in sorted({*own, *found}):
        if own.get(name) != found.get(name):
            there, here = (_described(each.get(name)) for each in (found, own))
            raise UsageError(
                f"--weights '{weights.path}' does not fit backbone '{network.name}': of tensor '{plain(name, 100)}' "
                f"the file has {there}, and the network {here}; give the file of another pre-training"
            )


def load_into(networks: list[Layers], weights: Weights) -> None:
    """Give networks the file's weights: all of it to each, or UsageError and nothing to any."""
    for network in networks:
        check_tensors(weights, network)
    for network in networks:
        network.load_state_dict({name: weights.tensors[name] for name in network.state_dict()})


def _described(tensor: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return "none" if tensor is None else f"{list(tensor[0])} of {str(tensor[1]).removeprefix('torch.')}"


def _from_1(content: str) -> About:
    """What a file of the earlier format says of itself, which counted `texts` where today's count `items`."""

    def renamed(part: Any) -> dict[str, Any]:
        return {name.replace("texts", "items"): value for name, value in part.items()}

    about = json.loads(content)
    stages = [{**renamed(stage), "sources": [*map(renamed, stage["sources"])]} for stage in about["stages"]]
    return About.model_validate({**about, "stages": stages})


def _digests(items: Tensor | None) -> NDArray[np.int64]:
    if items is None or items.dtype != torch.int64 or items.ndim != 1:
        raise ValueError(f"it has no '{ITEMS}', which say what it was trained on")
    made: NDArray[np.int64] = items.numpy()
    if not len(made) or (np.diff(made) <= 0).any():
        raise ValueError(f"its '{ITEMS}' are not sorted")
    return made


def _unusable(path: Path, reason: object) -> UsageError:
    return UsageError(
        f"--weights '{path}' is not a complete file of `metabench pretrain` ({plain(str(reason), 150)}); pre-train "
        "again, or give another"
    )
