"""Pictures of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from episodes.bank import ImageBank
from episodes.episode import EpisodeBatch, EpisodeIndices
from metabench.errors import UsageError

RIGHT, WRONG = "#1a7f37", "#c4290a"
MOST = 20  # images of a class that are drawn in support and in queries; a row of more is too small to see


def draw_episode(
    bank: ImageBank, episode: EpisodeIndices, path: Path, predictions: NDArray[np.int64] | None = None, title: str = ""
) -> None:
    """Draw one task: a row a class, its support on the left and its queries on the right, unlabelled images below.

    Args:
        bank: where the episode's images are.
        episode: of B = 1.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        predictions: the class (0..N-1) that a learner gives each query, `[Q]`: a wrong one is framed in red
            with a cross and the number of the class it was taken for, a right one has a green frame.
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    ways = episode.classes.shape[1]
    support, queries = (
        [np.flatnonzero(labels[0] == label)[:MOST] for label in range(ways)]
        for labels in (episode.support_labels, episode.query_labels)
    )
    left = max(map(len, support))
    columns = left + max(map(len, queries))
    pool = episode.unlabelled[0]
    names = [f"{row + 1}  {_short(bank.class_names[number])}" for row, number in enumerate(episode.classes[0])]
    sheet = _Sheet(bank, [*names, *["unlabelled"][: len(pool)]], ways + -(-len(pool) // columns), columns, left)
    for row in range(ways):
        for column, place in enumerate(support[row]):
            axes = sheet.place(row, column, int(episode.support[0, place]))
            if row == 0 and column == 0:
                axes.set_title("support", fontsize=9, loc="left")
        for column, place in enumerate(queries[row], start=left):
            axes = sheet.place(row, column, int(episode.query[0, place]))
            if predictions is not None:
                _mark(axes, int(predictions[place]), row)
            if row == 0 and column == left:
                axes.set_title("queries", fontsize=9, loc="left")
    for place, number in enumerate(pool):
        sheet.place(ways + place // columns, place % columns, int(number))
    sheet.save(path, title)


def draw_function(episode: EpisodeBatch, path: Path, answers: Tensor | None = None, title: str = "") -> None:
    """Draw one task of regression: the function through its queries, its support as points, and the predictions.

    Args:
        episode: of B = 1, its queries in the order of their inputs.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        answers: what a learner predicts for each query, `[1, Q, 1]`.
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    figure = Figure(figsize=(6, 3.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(episode.query[0, :, 0], episode.query_labels[0], color="#888888", label="function")
    axes.plot(episode.support[0, :, 0], episode.support_labels[0], "^", color="black", label="support")
    if answers is not None:
        axes.plot(episode.query[0, :, 0], answers[0, :, 0], color=WRONG, label="prediction")
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    save_figure(figure, path)


class _Sheet:
    """A figure of rows and columns of a bank's images, with a gap after the columns on the left."""

    def __init__(self, bank: ImageBank, names: list[str], rows: int, columns: int, left: int) -> None:
        self.bank, self.names, self.left = bank, names, left
        self.margin = 0.4 + 0.075 * max(len(name) for name in names)
        self.width, self.height = self.margin + 0.5 * columns + 0.4, 0.9 + 0.55 * rows
        self.figure = Figure(figsize=(self.width, self.height), dpi=150)
        FigureCanvasAgg(self.figure)
        self.grid = self.figure.add_gridspec(
            rows,
            columns + 1,
            width_ratios=[1.0] * left + [0.4] + [1.0] * (columns - left),
            left=self.margin / self.width,
            right=1 - 0.1 / self.width,
            top=1 - 0.7 / self.height,
            bottom=0.1 / self.height,
            wspace=0.12,
            hspace=0.12,
        )

    def place(self, row: int, column: int, number: int) -> Axes:
        axes = self.figure.add_subplot(self.grid[row, column + (column >= self.left)])
        _draw_image(axes, self.bank, number)
        if column == 0 and row < len(self.names):
            axes.set_ylabel(self.names[row], rotation=0, ha="right", va="center", fontsize=8)
        return axes

    def save(self, path: Path, title: str) -> None:
        place = {"x": 0.1 / self.width, "y": 1 - 0.08 / self.height}
        self.figure.suptitle(title, fontsize=9, ha="left", va="top", **place)
        save_figure(self.figure, path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    if not path.suffix:
        raise UsageError(f"cannot write the picture '{path}': its name needs an ending, e.g. .png")
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(
            f"cannot write the picture '{path}': {error.strerror or error}; choose a folder that can be written"
        ) from None
    except ValueError as error:  # names the endings that there are
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
