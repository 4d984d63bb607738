"""Pictures of a learner's predictions: for one task, and for those of a run on which it did worst."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from episodes.banks.bank import TEXTS
from episodes.files.atomic import write_bytes
from episodes.sampling.source import BankSource, EpisodeSource
from metabench.errors import UsageError
from metabench.learner import Learner, given_to
from metabench.pictures.episode import draw_episode, draw_function
from metabench.records.record import HARDEST_FILE

TASKS = 3
MOST_CLASSES = 20  # of a task, those with the most wrong predictions: more would be too small to see
MOST_PIXELS = (900, 900)  # of one task: half of a screen
GREYS, COLOURS = 32, 128  # of the picture, for grey images and others: a third of the bytes that all colours take


def draw_predicted(
    source: EpisodeSource,
    number: int,
    path: Path,
    learner: Learner | None = None,
    name: str = "",
    title: str = "",
    most_classes: int | None = None,
) -> None:
    """Draw one task to a picture file, and what a learner predicts.

    Args:
        source: of the task, on the learner's device.
        number: the task's.
        path: the picture; its ending chooses the format.
        learner: whose predictions are marked; None for the task alone.
        name: of the learner.
        title: of the tasks, e.g. `glyphs/test`.
        most_classes: as in `draw_episode`.

    Raises:
        UsageError: the tasks are of texts.
    """
    if source.bank.kind in TEXTS:
        raise UsageError(f"'{source.name}' has texts, which are not drawn; give a dataset of pictures or functions")
    batch = source.shown(number).to_float()
    logits, before, title = None, None, f"{title or source.name}, task {number}"
    if learner:
        unadapted = learner.after_steps(0) if learner.problem.regression else None  # which alone is drawn with it
        with torch.no_grad():
            asked = given_to(learner, batch)
            logits = learner.eval().classify(asked).cpu()
            before = unadapted.eval().classify(asked).cpu() if unadapted else None
        metric = learner.problem.metric
        score = float(metric.per_task(logits, batch.query_labels.cpu(), source.truth([number])))
        title += f", {name}: {metric.label} {metric.text(score)}"
    if isinstance(source, BankSource):
        predictions = None if logits is None else logits.argmax(2)[0].numpy()
        draw_episode(source.bank, source.indices([number]), path, predictions, title, most_classes)
    else:
        draw_function(batch, path, logits, title, before)


def hardest(of_tasks: NDArray[np.float64], more_is_better: bool) -> list[int]:
    """The numbers of the tasks with the worst metric, the worst first; among equals the lower number first."""
    worst_first = of_tasks if more_is_better else -of_tasks
    return [int(number) for number in np.argsort(worst_first, kind="stable")[:TASKS]]


def draw_hardest(folder: Path, source: EpisodeSource, numbers: Sequence[int], learner: Learner, name: str) -> None:
    """Draw these tasks, one below the other, small in bytes, to `hardest.png` in the folder.

    Args:
        folder: of the run.
        source: of the test tasks, on the learner's device.
        numbers: of the tasks, the hardest first.
        learner: trained.
        name: of the learner.
    """
    pictures = []
    with tempfile.TemporaryDirectory() as place:
        for number in numbers:
            path = Path(place, f"{number}.png")
            draw_predicted(source, number, path, learner, name, most_classes=MOST_CLASSES)
            with Image.open(path) as drawn:
                picture = drawn.convert("RGB")
            picture.thumbnail(MOST_PIXELS, Image.Resampling.LANCZOS)
            pictures.append(picture)
    width, height = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    made = io.BytesIO()
    few = GREYS if source.bank.item_shape[0] == 1 else COLOURS
    # By coverage: the median cut, the default, goes by area, and may have no green left for the frames.
    sheet.quantize(few, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(made, "png", optimize=True)
    write_bytes(folder / HARDEST_FILE, made.getvalue())
