"""How hard an episode is (Dhillon et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from episodes.errors import DataError
from episodes.torchmeta.utils.prototype import get_prototypes

__all__ = ["hardness_metric"]

SIZE = 224  # pixels, of the pictures that the network was trained on


def hardness_metric(batch: Mapping[str, Sequence[Tensor]], num_classes: int) -> Tensor:
    """How hard each task is for ImageNet's features: `[B]` (Dhillon et al. 2020).

    That is the mean over the test pictures of the log-odds log((1 - p) / p), p the probability of the right class by
    the cosines between the network's outputs for it and the classes' means. The network is a ResNet-152 of torchvision
    (`IMAGENET1K_V1`), whose weights are downloaded once, 230 MB. Pictures are padded with zeros to 224 x 224.

    Args:
        batch: of a `BatchMetaDataLoader`: colour pictures `[B, n, 3, H, W]` and targets `[B, n]` under `train` (or
            `support`) and under `test` (or `query`).
        num_classes: the ways.

    Raises:
        DataError: no train or no test pictures, pictures that are not in colour, or the weights cannot be downloaded.
    """
    train, test = (_part(batch, names) for names in (("train", "support"), ("test", "query")))
    if train[0].shape[2] != 3:
        raise DataError(f"the pictures must be in colour, of 3 channels; they have {train[0].shape[2]}")
    with torch.no_grad():
        network = _resnet().to(train[0].device).eval()
        return log_odds(_outputs(network, train[0]), train[1], _outputs(network, test[0]), test[1], num_classes)


def log_odds(train: Tensor, train_targets: Tensor, test: Tensor, test_targets: Tensor, num_classes: int) -> Tensor:
    """The mean log-odds against the right class, `[B]`: cosines with the classes' means are the logits.

    Args:
        train, test: a network's outputs, `[B, n, D]`; those of train pictures count where they are positive.
        train_targets, test_targets: `[B, n]` int64.
        num_classes: the ways.
    """
    weights = F.normalize(get_prototypes(train.relu(), train_targets, num_classes), dim=2)
    logits = weights @ F.normalize(test, dim=2).transpose(1, 2)  # [B, num_classes, n]
    log_probas = -F.cross_entropy(logits, test_targets, reduction="none")
    return (torch.log1p(-log_probas.exp()) - log_probas).mean(1)


def _part(batch: Mapping[str, Sequence[Tensor]], names: tuple[str, str]) -> Sequence[Tensor]:
    found = [name for name in names if name in batch]
    if not found:
        raise DataError(f"the tasks have no part named {' or '.join(names)}; they have {', '.join(batch) or 'none'}")
    return batch[found[0]]


def _outputs(network: nn.Module, pictures: Tensor) -> Tensor:
    """`[B, n, D]`, of pictures `[B, n, 3, H, W]` in the middle of a black square."""
    height, width = pictures.shape[-2:]
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    padded = F.pad(pictures, (left, SIZE - width - left, top, SIZE - height - top))
    outputs: Tensor = network(padded.flatten(0, 1))
    return outputs.view(*pictures.shape[:2], -1)


def _resnet() -> nn.Module:
    from torchvision.models import resnet152

    try:
        network: nn.Module = resnet152(weights="IMAGENET1K_V1")
        return network
    except OSError as error:
        raise DataError(
            f"the weights of ResNet-152 are not here and cannot be downloaded ({error}); put "
            f"resnet152-394f9c45.pth of download.pytorch.org/models into '{torch.hub.get_dir()}/checkpoints'"
        ) from None
