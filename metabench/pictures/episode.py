"""Pictures of tasks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from metabench.pictures.figure import save_figure, short

if TYPE_CHECKING:
    from torch import Tensor

    from episodes.banks.bank import ItemBank
    from episodes.episode import EpisodeIndices, LabelledEpisodeBatch

RIGHT, WRONG = "#1a7f37", "#c4290a"
MOST = 20  # images of a class that are drawn in support and in queries; a row of more is too small to see


def draw_episode(
    bank: ItemBank,
    episode: EpisodeIndices,
    path: Path,
    predictions: NDArray[np.int64] | None = None,
    title: str = "",
    most_classes: int | None = None,
) -> None:
    """Draw one task: a row per class, its support on the left and its queries on the right, unlabelled images below.

    Args:
        bank: where the episode's images are.
        episode: of B = 1.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        predictions: the class (0..N-1) that a learner gives each query, `[Q]`: a wrong one is framed in red
            with a cross and the number of the class it was taken for, a right one has a green frame.
        title: a line above.
        most_classes: rows that are drawn at most: those with the most wrong predictions. Default all.

    Of a class with many images `MOST` are drawn in each part, and the number of the others follows them.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    ways = episode.classes.shape[1]
    support, queries = (
        [np.flatnonzero(labels[0] == label) for label in range(ways)]
        for labels in (episode.support_labels, episode.query_labels)
    )
    # One place more for the number of those that are not drawn.
    left, right = (min(MOST + 1, max(map(len, part))) for part in (support, queries))
    columns = left + right
    pool = episode.unlabelled[0]
    drawn = np.arange(ways)
    if predictions is not None and most_classes is not None and most_classes < ways:
        wrong = np.array([(predictions[of_class] != label).sum() for label, of_class in enumerate(queries)])
        drawn = np.sort(np.argsort(-wrong, kind="stable")[:most_classes])
        title += f"; of {ways} classes the {most_classes} with the most errors"
    names = [f"{label + 1}  {short(bank.class_names[episode.classes[0, label]])}" for label in drawn]
    rows = len(drawn)
    sheet = _Sheet(bank, [*names, *["unlabelled"][: len(pool)]], rows + -(-len(pool) // columns), columns, left)
    for row, label in enumerate(drawn):
        for first, part in ((0, support[label]), (left, queries[label])):
            if len(part) > MOST:
                sheet.note(row, first + MOST, f"+{len(part) - MOST}")
        for column, place in enumerate(support[label][:MOST]):
            sheet.place(row, column, int(episode.support[0, place]))
        for column, place in enumerate(queries[label][:MOST], start=left):
            sheet.place(row, column, int(episode.query[0, place]))
            if predictions is not None:
                sheet.mark(row, column, int(predictions[place]), int(label))
    sheet.head(0, "support")
    sheet.head(left, "queries")
    for place, number in enumerate(pool):
        sheet.place(rows + place // columns, place % columns, int(number))
    sheet.save(path, title)


def draw_function(
    episode: LabelledEpisodeBatch,
    path: Path,
    predictions: Tensor | None = None,
    title: str = "",
    before: Tensor | None = None,
) -> None:
    """Draw one task of regression: the function through its queries, its support as points, and the predictions.

    Args:
        episode: of B = 1, its queries in the order of their inputs.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        predictions: what a learner predicts for each query, `[1, Q, 1]`.
        title: a line above.
        before: what it would predict without the support's gradient steps, likewise (Finn et al. 2017, figure 2).

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    figure = Figure(figsize=(6, 3.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    query, support = episode.query[0, :, 0].cpu(), episode.support[0, :, 0].cpu()
    axes.plot(query, episode.query_labels[0].cpu(), color="#888888", label="function")
    axes.plot(support, episode.support_labels[0].cpu(), "^", color="black", label="support")
    if before is not None:
        axes.plot(query, before[0, :, 0], "--", color=WRONG, alpha=0.5, label="before any gradient step")
    if predictions is not None:
        axes.plot(query, predictions[0, :, 0], color=WRONG, label="prediction")
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    save_figure(figure, path)


class _Sheet:
    """Rows and columns of a bank's images, with a gap after the columns on the left.

    All on one pair of axes in inches from the upper left: axes for each image would take ten times as long.
    """

    CELL, STEP, GAP, TOP = 0.47, 0.53, 0.2, 0.55

    def __init__(self, bank: ItemBank, names: list[str], rows: int, columns: int, left: int) -> None:
        self.bank, self.left = bank, left
        self.margin = 0.4 + 0.075 * max(len(name) for name in names)
        self.width, self.height = self.margin + self.STEP * columns + self.GAP + 0.1, self.TOP + self.STEP * rows + 0.05
        self.figure = Figure(figsize=(self.width, self.height), dpi=150)
        FigureCanvasAgg(self.figure)
        self.frames: defaultdict[tuple[str, float], list[Rectangle]] = defaultdict(list)  # by colour and width
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False, xticks=[], yticks=[])
        for row, name in enumerate(names):
            middle = self.TOP + self.STEP * row + self.CELL / 2
            self.axes.text(self.margin - 0.08, middle, name, ha="right", va="center", fontsize=8, parse_math=False)

    def place(self, row: int, column: int, number: int) -> None:
        import torch  # which takes seconds, and charts do not need it

        image = self.bank.gather(torch.tensor(number)).permute(1, 2, 0).numpy()
        x, y = self._corner(row, column)
        tall, wide = (self.CELL * side / max(image.shape[:2]) for side in image.shape[:2])
        grey = "gray_r" if image.shape[2] == 1 else None
        extent = (x, x + wide, y + tall, y)
        shown = AxesImage(self.axes, cmap=grey, norm=Normalize(0, 255), extent=extent, origin="upper")
        shown.set_data(image)
        self.axes.add_image(shown)  # `imshow` sets the axes' limits and aspect each time, too
        self._frame(row, column, "#bbbbbb", 0.8)

    def mark(self, row: int, column: int, predicted: int, actual: int) -> None:
        right = predicted == actual
        self._frame(row, column, RIGHT if right else WRONG, 1.2 if right else 2.2)
        if not right:
            x, y = self._corner(row, column)
            box: dict[str, Any] = {"facecolor": WRONG, "edgecolor": "none", "pad": 1.0}
            text = f"\N{MULTIPLICATION SIGN}{predicted + 1}"
            x, y = x + 0.96 * self.CELL, y + 0.94 * self.CELL
            self.axes.text(x, y, text, fontsize=7, color="white", bbox=box, ha="right", va="bottom")

    def note(self, row: int, column: int, text: str) -> None:
        x, y = self._corner(row, column)
        self.axes.text(x + self.CELL / 2, y + self.CELL / 2, text, fontsize=8, ha="center", va="center")

    def head(self, column: int, text: str) -> None:
        self.axes.text(self._corner(0, column)[0], self.TOP - 0.06, text, fontsize=9, va="bottom")

    def save(self, path: Path, title: str) -> None:
        self.axes.text(0.1, 0.08, title, fontsize=9, va="top", parse_math=False)
        for (color, width), frames in self.frames.items():
            alike = PatchCollection(frames, facecolor="none", edgecolor=color, linewidth=width, zorder=2)
            self.axes.add_collection(alike, autolim=False)
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        save_figure(self.figure, path)

    def _corner(self, row: int, column: int) -> tuple[float, float]:
        return self.margin + self.STEP * column + self.GAP * (column >= self.left), self.TOP + self.STEP * row

    def _frame(self, row: int, column: int, color: str, width: float) -> None:
        self.frames[color, width].append(Rectangle(self._corner(row, column), self.CELL, self.CELL))
