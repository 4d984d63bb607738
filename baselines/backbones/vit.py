"""A vision transformer (Dosovitskiy et al. 2021) for small pictures."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench.backbone import Layers, Norm, Shape
from metabench.errors import UsageError

DEPTH = 4
HEAD = 32  # features of an attention head, where the width allows it
PATCHES = 7  # along the shorter side of a picture, at least


class Block(nn.Module):
    """Self-attention, then a hidden layer four times as wide, each normalised before and added to what it gets.

    Dosovitskiy et al. 2021, equations 2 and 3. Attention is written out, since it is differentiated twice by learners
    such as `maml`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = next(n for n in range(max(1, width // HEAD), 0, -1) if width % n == 0)
        self.norm, self.next_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.inputs, self.outputs = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.last = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens `[n, T, D]` to tokens `[n, T, D]`."""
        tokens = tokens + self.outputs(self._attended(self.norm(tokens)))
        made: Tensor = tokens + self.last(F.gelu(self.hidden(self.next_norm(tokens))))
        return made

    def _attended(self, tokens: Tensor) -> Tensor:
        count, places, width = tokens.shape
        parts = self.inputs(tokens).view(count, places, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(query.shape[3]), dim=3)
        attended: Tensor = weights @ value
        return attended.transpose(1, 2).flatten(2)


class VisionTransformer(nn.Module):
    """Features of pictures: the mean over the tokens of their patches.

    A patch's side is a seventh of the picture's shorter one, rounded down: 4 pixels of 28 x 28 or 32 x 32 pictures, and
    12 of 84 x 84. What a side lacks to whole patches is filled by zeros at its end. Pictures of another size are cut
    into patches of the same side. Positions are fixed sines and cosines of row and column, as He et al. 2022 (appendix
    A.1) have them, so weights do not depend on how many patches there are.

    Differs from Dosovitskiy et al.: no class token, as their appendix D.3 allows.

    Args:
        shape: (C, H, W) of the pictures.
        width: of the tokens.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.channels, self.side, self.width = shape[0], min(shape[1:]) // PATCHES, width
        self.embedding = nn.Linear(shape[0] * self.side**2, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(width)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Features `[n, D]` of images `[n, C, H, W]`."""
        return self.encoded(self.embedded(images)).mean(1)

    def embedded(self, images: Tensor) -> Tensor:
        """A token for each patch, with its position, `[n, T, D]`; row by row."""
        tokens: Tensor = self.embedding(self.patches(images))
        return tokens + positions(*self.grid(images), self.width, images.device)

    def encoded(self, tokens: Tensor) -> Tensor:
        """The last states `[n, T, D]` of any of the tokens."""
        states: Tensor = self.norm(self.blocks(tokens))
        return states

    def grid(self, images: Tensor) -> tuple[int, int]:
        """How many patches images have in height and in width."""
        rows, columns = (-(-side // self.side) for side in images.shape[2:])
        return rows, columns

    def patches(self, images: Tensor) -> Tensor:
        """The pixels of each patch, `[n, T, C * side * side]`."""
        rows, columns = self.grid(images)
        below, right = rows * self.side - images.shape[2], columns * self.side - images.shape[3]
        whole = F.pad(images, (0, right, 0, below)) if below or right else images
        return F.unfold(whole, self.side, stride=self.side).transpose(1, 2)


def vit(shape: Shape, norm: Norm, width: int) -> Layers:
    """A vision transformer of 4 layers and 128 features on patches of a seventh of the side (Dosovitskiy et al. 2021).

    Raises:
        UsageError: a width that positions cannot have.
    """
    if width % 4:
        raise UsageError(f"backbone 'vit:{width}' has a width that 4 does not divide; give another, e.g. vit:128")
    return Layers(VisionTransformer(shape, width))


vit.width = 128  # type: ignore[attr-defined]


def positions(rows: int, columns: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Of each place of a grid, row by row, `[rows * columns, width]`: sines and cosines of its row, then its column.

    Each number has a quarter of the width of sines and as many cosines, of frequencies from 1 down to 1/10,000
    (Vaswani et al. 2017, section 3.5).
    """
    frequencies = 10_000.0 ** -(torch.arange(width // 4, device=device) / (width // 4))

    def waves(count: int) -> Tensor:
        angles = torch.arange(count, device=device)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    down = waves(rows)[:, None].expand(-1, columns, -1)
    across = waves(columns)[None].expand(rows, -1, -1)
    return torch.cat([down, across], dim=2).flatten(0, 1)


def initialise(network: nn.Module) -> None:
    """Draw the weights of linear layers as Glorot and Bengio 2010 do; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def vision_transformer(network: Layers, name: str) -> VisionTransformer:
    """The transformer in a network of that name; UsageError where it is another kind of network."""
    if len(network) != 1 or not isinstance(network[0], VisionTransformer):
        raise UsageError(f"backbone '{name}' has no tokens of patches that can be left out; choose vit")
    return network[0]
