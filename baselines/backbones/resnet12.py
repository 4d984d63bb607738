"""ResNet-12, the deeper network of few-shot papers."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from metabench.backbone import Layers, Norm, Shape


class ResidualBlock(nn.Module):
    """Three 3x3 convolutions with a 1x1 shortcut, then 2x2 max-pooling (Lee et al. 2019, section 4.1)."""

    takes_rows = True

    def __init__(self, incoming: int, width: int, norm: Norm) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (incoming, width, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), norm(width), nn.LeakyReLU(0.1)]
        self.residual = Layers(*layers[:-1])
        self.shortcut = Layers(nn.Conv2d(incoming, width, 1, bias=False), norm(width))
        self.finish = Layers(nn.MaxPool2d(2), nn.LeakyReLU(0.1))  # as in Conv-4, the order is free

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        out: Tensor = self.finish(self.residual(images, rows) + self.shortcut(images, rows))
        return out


def resnet12(shape: Shape, norm: Norm, width: int) -> Layers:
    """ResNet-12 with 64-160-320-640 filters and average pooling at the end (Lee et al. 2019, section 4.1).

    Differs from the paper: no DropBlock. Another `width` scales all four blocks alike.
    """
    widths = [shape[0], width, width * 5 // 2, width * 5, width * 10]
    blocks = [ResidualBlock(incoming, outgoing, norm) for incoming, outgoing in pairwise(widths)]
    return Layers(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
