from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank, load
from episodes.banks.text import TextBank
from episodes.sampling.sampler import sampler
from episodes.tasks.regression import RegressionTask
from metabench.errors import UsageError
from metabench.evaluation.loop import evaluate
from metabench.learner import Learner, Problem
from metabench.pictures.episode import draw_episode
from metabench.pictures.hardest import draw_hardest, draw_predicted, hardest
from metabench.registry import get_learner, learner_options

RED, GREEN = np.array([0xC4, 0x29, 0x0A]), np.array([0x1A, 0x7F, 0x37])


def made(name: str, bank_shape: tuple[int, ...], task: FixedTask | RegressionTask, **options: object) -> Learner:
    torch.manual_seed(0)
    learner = get_learner(name)
    return learner(Problem(bank_shape, 8, task), learner_options(learner, name, "folder:toy", options))


def test_the_worst_come_first_and_of_equals_the_lower_number() -> None:
    assert hardest(np.array([0.5, 0.2, 0.9, 0.2, 0.4]), more_is_better=True) == [1, 3, 4]
    assert hardest(np.array([0.5, 2.0, 0.9]), more_is_better=False) == [1, 2, 0]
    assert hardest(np.array([0.5]), more_is_better=True) == [0]


def near(picture: Image.Image, colour: np.ndarray) -> int:
    return int((np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour).max(2) < 30).sum())


def test_a_picture_of_three_tasks_with_errors_is_small(toy: Dataset, tmp_path: Path) -> None:
    task = FixedTask(ways=5, shots=1, queries=15)
    source = EpisodeSampler(toy.test, task, seed=0)
    learner = made("protonet", toy.test.item_shape, task, backbone="conv4:8")
    of_tasks = evaluate(learner, source, 8)
    draw_hardest(tmp_path, source, hardest(of_tasks, more_is_better=True), learner, "protonet")
    path = tmp_path / "hardest.png"
    with Image.open(path) as picture:
        assert picture.width <= 900
        assert picture.height > 600
        assert path.stat().st_size < 2**19  # of noise; of drawn characters a quarter
        # Three tasks of 75 queries; how many frames are green is how many predictions are right.
        right = np.sort(of_tasks)[:3].mean()
        green, red = near(picture, GREEN), near(picture, RED)
    assert green > 0 if right > 0 else green == 0
    assert red > 0


@pytest.mark.slow
def test_a_task_of_many_classes_of_photographs_is_no_larger(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50 * 12, 3, 32, 32), generator=generator, dtype=torch.uint8)
    names = tuple(f"class {number} of $\\\\frac{{$ {number}" for number in range(50))
    bank = ImageBank("photographs/test", images, names, (12,) * 50, ("all",) * 50)
    task = FixedTask(ways=40, shots=2, queries=10)
    learner = made("protonet", bank.item_shape, task, backbone="conv4:8")
    draw_hardest(tmp_path, EpisodeSampler(bank, task, seed=0), [1, 0], learner, "protonet")
    assert (tmp_path / "hardest.png").stat().st_size < 2**20  # what the leaderboard's page takes


def test_a_regression_has_a_picture_too(tmp_path: Path) -> None:
    task = RegressionTask(5, 15)
    source = sampler(load("sinusoid").test, task, 0, "cpu")
    learner = made("maml", (1,), task, backbone="mlp:8")
    draw_predicted(source, 0, tmp_path / "task.png", learner)
    with Image.open(tmp_path / "task.png") as picture:
        assert near(picture, (RED + 255) // 2) > near(picture, RED) // 4 > 0  # the predictions before any step, dashed
    draw_hardest(tmp_path, source, [1, 2, 0], learner, "maml")
    with Image.open(tmp_path / "hardest.png") as picture:
        assert picture.size == (900, 3 * 525)


@pytest.mark.parametrize("column", [1, 7, 13])
def test_marks_are_where_the_answers_are(column: int, toy: Dataset, tmp_path: Path) -> None:
    """One wrong answer in the first row reddens its own place in the picture and no other."""
    source = EpisodeSampler(toy.test, FixedTask(ways=2, shots=1, queries=15), seed=0)
    predictions = np.repeat([0, 1], 15)
    predictions[column] = 1
    draw_episode(toy.test, source.drawn([0]), tmp_path / "task.png", predictions)
    with Image.open(tmp_path / "task.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    reds = np.flatnonzero((np.abs(pixels - RED).max(2) < 10).any(0))
    greens = np.flatnonzero((np.abs(pixels - GREEN).max(2) < 10).any(0))
    assert reds.max() - reds.min() < 90
    centre, span = (reds.max() + reds.min()) / 2 - greens.min(), greens.max() - greens.min()
    assert round(centre / span * 15 - 0.5) == column


def test_of_many_classes_those_with_the_most_errors_are_drawn(toy: Dataset, tmp_path: Path) -> None:
    """One class of five has no right answer, and each other no wrong one."""
    source = EpisodeSampler(toy.test, FixedTask(ways=5, shots=1, queries=4), seed=0)
    episode = source.drawn([0])
    predictions = np.where(episode.query_labels[0] == 3, 0, episode.query_labels[0])
    found = {}
    for most in (None, 1):
        draw_episode(toy.test, episode, tmp_path / "task.png", predictions, most_classes=most)
        with Image.open(tmp_path / "task.png") as picture:
            found[most] = picture.height, near(picture, RED), near(picture, GREEN) > 0
    assert found[1][1] == pytest.approx(found[None][1], rel=0.1)
    assert found[None][2]
    assert found[1][0] < found[None][0] / 2
    assert not found[1][2]


def test_a_class_of_many_queries_has_the_number_of_those_not_drawn(toy: Dataset, tmp_path: Path) -> None:
    """One place more than the twenty that are drawn, whatever their number; a class may have none."""
    widths = []
    for labels in ([0] * 20, [0] * 21, [0] * 29):
        drawn = EpisodeSampler(toy.test, FixedTask(2, 1, 1), seed=0).drawn([0])
        query = np.arange(len(labels))[None] % len(toy.test)
        many = replace(drawn, query=query, query_labels=np.array([labels]))
        draw_episode(toy.test, many, tmp_path / "task.png", np.array(labels))
        with Image.open(tmp_path / "task.png") as picture:
            widths.append(picture.width)
    assert widths[0] < widths[1] == widths[2]


def test_texts_are_not_drawn(tmp_path: Path) -> None:
    bank = TextBank.from_labels("x/test", ["a", "b", "c", "d"], [0, 0, 1, 1], ["p", "q"], ["p", "q"])
    source = EpisodeSampler(bank, FixedTask(2, 1, 1), seed=0)
    with pytest.raises(UsageError, match="'x/test' has texts, which are not drawn; give a dataset of pictures"):
        draw_predicted(source, 0, tmp_path / "task.png")
    assert not list(tmp_path.iterdir())
