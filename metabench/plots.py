"""Pictures of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from episodes.bank import ImageBank
from episodes.sampler import EpisodeIndices
from metabench.errors import UsageError

RIGHT, WRONG = "#1a7f37", "#c4290a"


def draw_episode(
    bank: ImageBank, episode: EpisodeIndices, path: Path, predictions: NDArray[np.int64] | None = None, title: str = ""
) -> None:
    """Draw one task: a row a class, its support on the left and its queries on the right.

    Args:
        bank: where the episode's images are.
        episode: of B = 1.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        predictions: the class (0..N-1) that a learner gives each query, `[N, q]`: a wrong one is framed in red
            with a cross and the number of the class it was taken for, a right one has a green frame.
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    if not path.suffix:
        raise UsageError(f"cannot write the picture '{path}': its name needs an ending, e.g. .png")
    classes, support, query = episode.classes[0], episode.support[0], episode.query[0]
    ways, shots, queries = len(classes), support.shape[1], query.shape[1]
    columns = shots + queries
    labels = [f"{row + 1}  {_short(bank.class_names[number])}" for row, number in enumerate(classes)]
    margin = 0.4 + 0.075 * max(len(label) for label in labels)
    width, height = margin + 0.5 * columns + 0.4, 0.9 + 0.55 * ways
    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        ways,
        columns + 1,
        width_ratios=[1.0] * shots + [0.4] + [1.0] * queries,
        left=margin / width,
        right=1 - 0.1 / width,
        top=1 - 0.7 / height,
        bottom=0.1 / height,
        wspace=0.12,
        hspace=0.12,
    )
    for row in range(ways):
        for column, number in enumerate([*support[row], *query[row]]):
            axes = figure.add_subplot(grid[row, column + (column >= shots)])
            _draw_image(axes, bank, int(number))
            if column == 0:
                axes.set_ylabel(labels[row], rotation=0, ha="right", va="center", fontsize=8)
            if column >= shots and predictions is not None:
                _mark(axes, int(predictions[row, column - shots]), row)
            if row == 0 and column in (0, shots):
                axes.set_title("support" if column == 0 else "queries", fontsize=9, loc="left")
    figure.suptitle(title, fontsize=9, x=0.1 / width, ha="left", y=1 - 0.08 / height, va="top")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write the picture '{path}': {error}") from None


def _draw_image(axes: Axes, bank: ImageBank, number: int) -> None:
    image = bank.images[number].permute(1, 2, 0).numpy()
    axes.imshow(image, cmap="gray_r" if image.shape[2] == 1 else None, vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")


def _mark(axes: Axes, predicted: int, actual: int) -> None:
    right = predicted == actual
    for spine in axes.spines.values():
        spine.set_color(RIGHT if right else WRONG)
        spine.set_linewidth(1.2 if right else 2.2)
    if not right:
        mark = f"\N{MULTIPLICATION SIGN}{predicted + 1}"
        box: dict[str, Any] = {"facecolor": WRONG, "edgecolor": "none", "pad": 1.0}
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(0.96, 0.06, mark, fontsize=7, color="white", bbox=box, **place)


def _short(name: str) -> str:
    return name if len(name) <= 32 else name[:15] + "\N{HORIZONTAL ELLIPSIS}" + name[-16:]
