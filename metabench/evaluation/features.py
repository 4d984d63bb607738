"""Features by a network from elsewhere, kept in the cache folder: a second learner on it embeds nothing."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from episodes.banks.images import ImageBank
from episodes.episode import to_float
from episodes.errors import DataError
from episodes.files.atomic import made_by_one, write_bytes
from episodes.places import made_folder
from metabench.backbone import Layers
from metabench.evaluation.progress import Progress
from metabench.learner import EmbeddingLearner
from metabench.outside import IMAGES_AT_ONCE, PictureNetwork

RECIPE = 1  # to be raised with every change of the features that the same network and images give
CHECKED = 2  # images that are embedded with and without the kept features, to see that a learner may have them

_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError)  # not there yet, or damaged


def network_as_it_came(learner: EmbeddingLearner) -> Layers | None:
    """The network from elsewhere by which a learner embeds images; None if there is none, or training changes it."""
    named = [module for module in learner.modules() if isinstance(module, Layers) and module.name]
    if len(named) != 1 or not isinstance(named[0][0], PictureNetwork):
        return None
    own = set(named[0].parameters())
    trained = (stage.module.parameters() for stage in learner.stages() if stage.options.steps)
    return None if any(parameter in own for some in trained for parameter in some) else named[0]


def network_features(network: Layers, bank: ImageBank, rows: Tensor, progress: bool = False) -> Tensor:
    """Features `[n, D]` of the images of these rows, from the cache folder as far as they are there.

    They are the same to the bit whichever other rows are asked for: batches are of one size.

    Args:
        network: in evaluation mode, on the device of the rows.
        bank: that the rows are of.
        rows: `[n]` int64.
        progress: whether to show it.
    """
    path = made_folder() / f"features-{_key(network, bank, rows.device)}.safetensors"
    wanted = rows.cpu().numpy()
    stored = _read(path, len(bank))
    if stored is None or not stored[1][wanted].all():
        with made_by_one(path):
            stored = _read(path, len(bank))  # another process may have gone on meanwhile
            known = stored[1] if stored else np.zeros(len(bank), dtype=bool)
            missing = torch.from_numpy(wanted[~known[wanted]]).to(rows.device)
            found = _embedded(network, bank, missing, progress).cpu()
            features = stored[0].clone() if stored else found.new_zeros(len(bank), found.shape[1])
            features[missing.cpu()] = found
            known = known.copy()
            known[missing.cpu().numpy()] = True
            stored = features, known
            _write(path, *stored)
    return stored[0][torch.from_numpy(wanted)].to(rows.device)


@contextmanager
def given_features(learner: EmbeddingLearner, network: Layers) -> Iterator[None]:
    """Let a learner embed features of its network in place of images."""
    places = [name for name, module in learner.named_modules(remove_duplicate=False) if module is network]
    try:
        for place in places:
            learner.set_submodule(place, _Given())
        yield
    finally:
        for place in places:
            learner.set_submodule(place, network)


def may_be_given(learner: EmbeddingLearner, network: Layers, images: Tensor, features: Tensor) -> bool:
    """Whether a learner gives the same embedding of the features of these images as of the images."""
    expected = learner.embed(images[:CHECKED])
    with given_features(learner, network), suppress(RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        found = learner.embed(features[:CHECKED])
        scale = expected.abs().max().clamp(min=1e-6)
        return found.shape == expected.shape and bool(((found - expected).abs() / scale).max() < 1e-3)
    return False


class _Given(nn.Module):
    """Stands where a network was, and gives what it gets: its features."""

    def forward(self, features: Tensor, rows: int | None = None) -> Tensor:
        return features


def _embedded(network: Layers, bank: ImageBank, rows: Tensor, progress: bool) -> Tensor:
    made = []
    with Progress(f"embed {bank.name}", 0, len(rows), "image") if progress else nullcontext() as shown:
        for part in torch.split(rows, IMAGES_AT_ONCE):
            whole = torch.cat([part, part[-1:].expand(IMAGES_AT_ONCE - len(part))])
            made.append(network(to_float(bank.gather(whole)))[: len(part)].float())
            if shown:
                shown.step(len(part))
    return torch.cat(made)


def _key(network: Layers, bank: ImageBank, device: torch.device) -> str:
    """Another for any other network, weights, images, or way of computing."""
    digest = hashlib.sha256()
    picture = network[0]
    assert isinstance(picture, PictureNetwork)
    computed = (torch.__version__, device.type, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    digest.update(repr((RECIPE, network.name, picture.form, bank.fingerprint, computed)).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path, rows: int) -> tuple[Tensor, np.ndarray] | None:
    with suppress(*_UNREADABLE), safe_open(path, framework="pt") as file:
        features, known = file.get_tensor("features"), file.get_tensor("known").numpy()
        if features.shape[:1] == known.shape == (rows,):
            return features, known
    return None


def _write(path: Path, features: Tensor, known: np.ndarray) -> None:
    try:
        write_bytes(path, save({"features": features, "known": torch.from_numpy(known)}))
    except DataError as error:
        warnings.warn(f"{error} by METABENCH_CACHE; until then images are embedded each time", stacklevel=4)
