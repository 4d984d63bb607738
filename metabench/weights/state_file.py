"""Weights that were trained elsewhere: those that a network was published with, and files of tensors by their names."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from metabench.backbone import Layers, TrainedOn
from metabench.errors import UsageError, first_line
from metabench.escape import plain
from metabench.outside import PictureNetwork
from metabench.weights.encoder_file import Weights, without_spare_statistics

PUBLISHED = "pretrained"  # what `--weights` says for them
NOTE = "metabench"  # the key of what `metabench export` says of a file
PICKLED = (".pth", ".pt", ".bin", ".ckpt")
COUNTER = "num_batches_tracked"  # of batch normalisation; files from before it do without
INNER = ("state_dict", "model_state_dict", "model", "module")  # where files of training scripts have the tensors


@dataclass(frozen=True, eq=False)
class StateFile:
    """A file of tensors by name, read: safetensors, or what torch saved, by `weights_only`.

    Attributes:
        path: of the file.
        digest: its SHA-256.
        tensors: by their names in it.
        origin: the data of the run that it was exported from; None for another file.
    """

    path: Path
    digest: str
    tensors: dict[str, Tensor]
    origin: TrainedOn | None = None

    outside_data = True

    @property
    def name(self) -> str:
        """The file's, without its folder."""
        return self.path.name

    def load(self, learner: str, networks: Sequence[Layers]) -> None:
        """Give the weights to every network of a learner that they fit as a whole.

        Raises:
            UsageError: there is none, and nothing was loaded; it says which names fit and which do not.
        """
        found = [(network, _Fit.of(network, self.tensors)) for network in networks]
        fitting = [(network, fit) for network, fit in found if fit.complete]
        if not found:
            raise UsageError(f"learner '{learner}' has no network for --weights '{self.path}'; leave it out")
        if not fitting:
            network, nearest = max(found, key=lambda each: each[1].share)
            raise UsageError(f"--weights '{self.path}' does not fit backbone '{network.name}': {nearest.complaint()}")
        for network, fit in fitting:
            fit.load(network)
            network.sources = (self.origin,)


@dataclass(eq=False)
class Published:
    """The weights that networks were published with: `--weights pretrained`.

    Attributes:
        digest: the SHA-256 of the tensors, once they are loaded.
    """

    digest: str = field(default="", init=False)

    outside_data = True
    name = PUBLISHED

    def load(self, learner: str, networks: Sequence[Layers]) -> None:
        """Give every network of a learner its own, if it has some.

        Raises:
            UsageError: none has, or those published do not fit the network, as at another input size.
            episodes.DataError: they cannot be downloaded.
        """
        digest = hashlib.sha256()
        for network in networks:
            picture = network[0]
            if not isinstance(picture, PictureNetwork) or picture.published is None:
                continue
            fit = _Fit.of(network, picture.published())
            if not fit.complete:
                raise UsageError(f"--weights {PUBLISHED} does not fit backbone '{network.name}': {fit.complaint()}")
            fit.load(network)
            network.sources = (picture.trained_on,)
            for name, value in fit.tensors.items():
                digest.update(name.encode())
                digest.update(value.contiguous().numpy().tobytes())
            self.digest = digest.hexdigest()
        if not self.digest:
            names = " and ".join(dict.fromkeys(str(network.name) for network in networks)) or "no network"
            raise UsageError(
                f"--weights {PUBLISHED} asks for published weights, and learner '{learner}' has {names} without any; "
                "choose a backbone such as torchvision:resnet18, or leave --weights out"
            )


GivenWeights = Weights | StateFile | Published


def read_state_file(path: Path, digest: str) -> StateFile:
    """Read a file of tensors; nothing in it is run.

    Raises:
        UsageError: it is damaged, or holds something else.
    """
    try:
        tensors, origin = (_pickled(path), None) if path.suffix.lower() in PICKLED else _safe(path)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise _no_tensors(path, plain(first_line(error), 150)) from None
    except Exception:  # torch's reader lets whatever bytes may lead to pass, or a page on how to trust the file
        raise _no_tensors(path, "torch reads no tensors from it, or it holds more than tensors") from None
    for name, value in tensors.items():
        _refuse_values(path, name, value)
    return StateFile(path, digest, tensors, origin)


def _no_tensors(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"--weights '{path}' is no file of tensors ({reason}); give safetensors, or what torch.save made of a state "
        f"dict ({', '.join(PICKLED)})"
    )


def _refuse_values(path: Path, name: str, value: Tensor) -> None:
    """Raise UsageError for a tensor that no network's weights are."""
    what = f"--weights '{path}': tensor '{plain(name, 80)}'"
    if value.layout != torch.strided or value.is_meta:
        raise UsageError(f"{what} is not stored as plain values; save it dense, from a CPU")
    if value.is_complex():
        raise UsageError(f"{what} has complex numbers ({value.dtype}); give real ones")
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise UsageError(f"{what} has values that are not finite; the training that it is from failed")


def _safe(path: Path) -> tuple[dict[str, Tensor], TrainedOn | None]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
        return tensors, _origin((file.metadata() or {}).get(NOTE, ""))


def _origin(note: str) -> TrainedOn | None:
    """From the note that `metabench export` leaves in a file; another program's says nothing."""
    try:
        about = json.loads(note)
        banks = about["dataset"]["fingerprints"]
        return TrainedOn(str(banks["train"]), str(banks["test"]), str(about["test_classes"]))
    except (ValueError, TypeError, KeyError):
        return None


def _pickled(path: Path) -> dict[str, Tensor]:
    content: Any = torch.load(path, map_location="cpu", weights_only=True)
    for name in INNER:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    found = {str(name): value for name, value in content.items()} if isinstance(content, Mapping) else {}
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError("it has no tensors by name")
    return tensors


@dataclass(frozen=True, eq=False)
class _Fit:
    """How tensors by name fit a network.

    Attributes:
        own: the network's tensors.
        tensors: those of the file, by names without what they all begin with; not a classifier's, nor statistics of
            batch normalisation where the network, as `maml`'s, keeps none.
    """

    own: dict[str, Tensor]
    tensors: dict[str, Tensor]

    @classmethod
    def of(cls, network: Layers, tensors: Mapping[str, Tensor]) -> _Fit:
        own = _model_of(network).state_dict()
        classifier = getattr(network[0], "classifier", ())
        named = without_spare_statistics(_without_prefix(tensors, own), own)
        return cls(own, {name: value for name, value in named.items() if name.rpartition(".")[0] not in classifier})

    @property
    def _needed(self) -> list[str]:
        return [name for name in self.own if not name.endswith(COUNTER)]

    @property
    def _matching(self) -> list[str]:
        there = [name for name in self._needed if name in self.tensors]
        return [name for name in there if self._alike(name)]

    def _alike(self, name: str) -> bool:
        """Whether the file's tensor can take the place of the network's: in shape, and numbers for numbers."""
        there, here = self.tensors[name], self.own[name]
        return there.shape == here.shape and there.is_floating_point() == here.is_floating_point()

    @property
    def share(self) -> float:
        """Which share of the network's tensors the file has."""
        return len(self._matching) / max(len(self._needed), 1)

    @property
    def complete(self) -> bool:
        """Whether it has all of them, and no others."""
        return len(self._matching) == len(self._needed) and self.tensors.keys() <= self.own.keys()

    def load(self, network: Layers) -> None:
        model, kept = _model_of(network), {name: self.own[name] for name in self.own.keys() - self.tensors.keys()}
        model.load_state_dict({**kept, **self.tensors})

    def complaint(self) -> str:
        """What does not fit, in one line."""
        matching, needed = self._matching, self._needed
        spare = [name for name in self.tensors if name not in self.own]
        share = f"{len(matching)} of its {len(needed)} tensors are in the file ({len(matching) / len(needed):.0%})"
        for name in needed:
            if name in matching:
                continue
            if name in self.tensors:
                own, read = self.own[name], self.tensors[name]
                alike = own.shape == read.shape
                here, there = (each.dtype if alike else list(each.shape) for each in (own, read))
                return f"{share}; '{name}' is {here} in the network and {there} in the file; nothing was loaded"
            nearest = difflib.get_close_matches(name, spare, n=1, cutoff=0)
            instead = f", the nearest is '{plain(nearest[0], 80)}'" if nearest else ""
            return f"{share}; '{name}' is not{instead}; nothing was loaded"
        return (
            f"{share}, and {len(spare)} more that the network lacks, the first '{plain(spare[0], 80)}'; nothing was "
            "loaded: is the file of a larger network?"
        )


def _model_of(network: Layers) -> nn.Module:
    """The model whose names of tensors a file has."""
    return network[0].model if isinstance(network[0], PictureNetwork) else network


def _without_prefix(tensors: Mapping[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """Tensors by names without what all of them begin with, as `module.`, where the network's do not."""
    first = {name.partition(".")[0] for name in tensors}
    if len(first) != 1 or first <= {name.partition(".")[0] for name in own} or not all("." in name for name in tensors):
        return dict(tensors)
    return _without_prefix({name.partition(".")[2]: value for name, value in tensors.items()}, own)
