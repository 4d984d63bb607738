"""Small problems and random data for them, on which `metabench.checks` tests learners."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from episodes.banks.bank import SPANS
from episodes.banks.functions import Sinusoids
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.sampling.functions import SinusoidSampler
from episodes.tasks.fixed import FixedTask
from episodes.tasks.regression import RegressionTask
from episodes.tasks.spans import EntityTask, with_words
from metabench.learner import Episodes, LabelledBatch, LabelledEpisodeBatch, Problem, Stage, TextBatch, Texts

TASK = FixedTask(ways=3, shots=2, queries=4)
PROBLEM = Problem(image_shape=(1, 28, 28), train_classes=6, task=TASK)
REGRESSION = Problem(image_shape=(1,), train_classes=0, task=RegressionTask(shots=5, queries=4))
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MOST = 16  # tokens of a random text


@cache
def text_problem() -> Problem:
    """A problem of texts; raises DataError without the extra `text`."""
    vocabulary = Vocabulary.trained([" ".join(WORDS)] * 3, 100)
    return Problem(image_shape=TextShape(MOST, vocabulary), train_classes=6, task=TASK)


@cache
def word_problem() -> Problem:
    """A problem of named entities, of two types and the outside; likewise."""
    task = EntityTask(TASK.ways, TASK.shots, TASK.queries)
    return replace(text_problem(), task=task)


def random_episodes(
    count: int = 2,
    seed: int = 0,
    task: FixedTask | RegressionTask = TASK,
    shape: tuple[int, ...] = PROBLEM.image_shape,
) -> LabelledEpisodeBatch:
    """Episodes of `task` whose classes are random patterns under noise, so that predictions are not all alike.

    A text's pattern is that most of its words are of the three of its class; texts differ in length. Where words are
    the items there is one episode, and a word's label follows from its id.
    """
    if task.kinds[0] in SPANS:
        texts = random_episodes(1, seed, FixedTask(task.ways, task.shots, task.queries), shape)
        (support, labels), (query, query_labels) = (
            _words(part, task.ways, shape) for part in (texts.support, texts.query)
        )
        return LabelledEpisodeBatch(support, labels[None], query, task.ways, query_labels=query_labels[None])
    if isinstance(task, RegressionTask):
        return SinusoidSampler(Sinusoids("check"), task, seed).batch(range(count))
    generator = torch.Generator().manual_seed(seed)
    if isinstance(shape, TextShape):
        items = _texts(count, task.ways, task.shots + task.queries, shape.vocabulary, generator)
    else:
        patterns = torch.rand(count, task.ways, 1, *shape, generator=generator)
        noise = torch.rand(count, task.ways, task.shots + task.queries, *shape, generator=generator)
        items = 0.6 * patterns + 0.4 * noise
    labels = torch.arange(task.ways)
    return LabelledEpisodeBatch(
        items[:, :, : task.shots].flatten(1, 2),
        labels.repeat_interleave(task.shots).expand(count, -1),
        items[:, :, task.shots :].flatten(1, 2),
        task.ways,
        query_labels=labels.repeat_interleave(task.queries).expand(count, -1),
    )


def training_data(stage: Stage, problem: Problem) -> LabelledEpisodeBatch | LabelledBatch | TextBatch:
    """What one step of a stage gets."""
    if isinstance(stage.data, Episodes):
        task = with_words(stage.data.task, problem.task.kinds[0])
        return random_episodes(stage.data.batch, task=task, shape=problem.image_shape)
    size, shape = stage.data.size, problem.image_shape
    if isinstance(shape, TextShape):
        items = _texts(1, 1, size, shape.vocabulary, torch.Generator().manual_seed(0))[0, 0]
        if isinstance(stage.data, Texts):
            return TextBatch(items, key=0)
        if problem.words:
            return LabelledBatch(*_words(items, problem.train_classes, shape))
    else:
        items = torch.rand(size, *shape)
    return LabelledBatch(items, torch.arange(size) % problem.train_classes)


def _words(texts: Tensor, labels: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The texts with all but words below 0, and the labels of the words, `[words]`."""
    assert isinstance(shape, TextShape)
    special = torch.isin(texts, torch.tensor(shape.vocabulary.special_numbers) + 1)
    marked = torch.where(special, -texts, texts)
    return marked, marked[marked > 0].long() % labels


def _texts(count: int, ways: int, number: int, vocabulary: Vocabulary, generator: torch.Generator) -> Tensor:
    """Token ids `[count, ways, number, MOST]` int32, each plus 1, 0 for padding."""
    ids, ends, _ = vocabulary.encode(WORDS, MOST)
    words = torch.tensor([int(ids[end - 2]) for end in ends]) + 1  # the last piece of each, before the separator
    favourites = words[torch.rand(count, ways, 1, len(words), generator=generator).argsort(-1)[..., :3]]
    shape = (count, ways, number, MOST)
    own = favourites.expand(*shape[:3], 3).gather(3, torch.randint(0, 3, shape, generator=generator))
    any_word = words[torch.randint(0, len(words), shape, generator=generator)]
    made = torch.where(torch.rand(shape, generator=generator) < 0.6, own, any_word)
    lengths = torch.randint(5, MOST + 1, (*shape[:3], 1), generator=generator)
    places = torch.arange(MOST)
    made[..., 0] = vocabulary.number("first") + 1
    made = made.where(places != lengths - 1, vocabulary.number("separator") + 1)
    return made.where(places < lengths, 0).int()
