from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.episode import EpisodeBatch
from episodes.sampling.sampler import EpisodeSampler
from episodes.tasks.fixed import FixedTask
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.records.record import HARDEST_PAGE
from metabench.records.shown import BEGIN, END, MOST_BYTES, Piece, read_shown
from metabench.texts.hardest import write_hardest
from metabench.texts.html import Page, html
from metabench.texts.limits import Limits, cut
from metabench.texts.task import Predictions, predictions, shown_task
from tests.hostile_texts import HOSTILE, harmless, hostile_bank

TASK = FixedTask(ways=3, shots=2, queries=5)


def counted_bank(classes: int = 4, size: int = 12) -> TextBank:
    """Texts that tell their class and their number in it."""
    texts = [f"text {number} of {label}" for label in range(classes) for number in range(size)]
    labels = [label for label in range(classes) for _ in range(size)]
    names = [f"class {label}" for label in range(classes)]
    return TextBank.from_labels("counted/test", texts, labels, names, names)


def with_ids(bank: TextBank) -> TextBank:
    from dataclasses import replace

    texts = list(bank.texts())
    vocabulary = Vocabulary.trained(texts, 300)
    ids, ends, _ = vocabulary.encode(texts, 128)
    shape = TextShape(128, vocabulary)
    return replace(bank, ids=torch.from_numpy(ids + 1), id_ends=torch.from_numpy(ends), shape=shape)


class ByLength(Learner):
    """Answers by how many tokens a query has: logits that a test can work out by hand."""

    kinds = ("text",)

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        lengths = (episodes.query != 0).sum(2)
        return torch.nn.functional.one_hot(lengths % episodes.ways, episodes.ways).float() * 2


def made_learner(bank: TextBank) -> Learner:
    return ByLength(Problem(bank.item_shape, 4, TASK), TrainingOptions())


def test_a_task_shows_its_own_texts() -> None:
    bank = counted_bank()
    source = EpisodeSampler(bank, TASK, seed=0)
    drawn, shown = source.indices([4]), shown_task(source, 4, "a title")
    assert [each.name for each in shown.classes] == [bank.class_names[number] for number in drawn.classes[0]]
    for label, each in enumerate(shown.classes):
        support = [bank.text(row) for row in drawn.support[0][drawn.support_labels[0] == label]]
        queries = [bank.text(row) for row in drawn.query[0][drawn.query_labels[0] == label]]
        assert [text[0].text for text in each.support] == support
        assert [query.text[0].text for query in each.queries] == queries
        assert {(query.prediction, query.confidence, query.right) for query in each.queries} == {(None, None, None)}
        assert all(text.endswith(f"of {each.name[-1]}") for text in [*support, *queries])


def test_predictions_are_those_of_the_learner_by_its_temperature() -> None:
    bank = with_ids(counted_bank())
    source = EpisodeSampler(bank, TASK, seed=0)
    made = predictions(source, 1, made_learner(bank), temperature=2.0)
    batch = source.batch([1])
    lengths = (batch.query[0] != 0).sum(1).numpy()
    assert made.labels.tolist() == (lengths % 3).tolist()
    assert made.confidences == pytest.approx(np.full(15, np.e / (np.e + 2)), abs=6e-4)  # a logit of 2, divided by 2
    right = float((made.labels == batch.query_labels[0].numpy()).mean())
    assert made.score == f"accuracy {100 * right:.2f}%"
    shown = shown_task(source, 1, "a title", made)
    queries = [(each.name, query) for each in shown.classes for query in each.queries]
    assert all(query.right == (query.prediction == name) for name, query in queries)
    assert np.mean([bool(query.right) for _, query in queries]) == pytest.approx(right)


def test_of_a_large_task_the_wrong_queries_and_their_classes_are_shown() -> None:
    source = EpisodeSampler(counted_bank(6, 16), FixedTask(ways=5, shots=3, queries=9, unlabelled=4), seed=0)
    drawn = source.indices([0])
    labels = drawn.query_labels[0].copy()
    wrong = {1: [0, 4, 8], 3: [2]}  # of these classes these queries
    for label, places in wrong.items():
        labels[np.flatnonzero(drawn.query_labels[0] == label)[places]] = 4
    made = Predictions(labels, np.full(len(labels), 0.5), "accuracy")
    shown = shown_task(source, 0, "", made, Limits(classes=2, support=2, queries=4))
    names = [source.bank.class_names[number] for number in drawn.classes[0]]
    assert [each.name for each in shown.classes] == [names[1], names[3]]
    assert shown.more_classes == 3
    for each, label in zip(shown.classes, wrong, strict=True):
        assert sum(query.right is False for query in each.queries) == len(wrong[label])
        assert (len(each.queries), each.more_queries) == (4, 5)
        assert (len(each.support), each.more_support) == (2, 1)
    assert (len(shown.unlabelled), shown.more_unlabelled) == (2, 18)


def test_a_text_is_cut_after_so_many_characters() -> None:
    text = (Piece(text="abc"), Piece(text="defg", labels=("x",)), Piece(text="h"))
    assert cut(text, 8) == text
    assert cut(text, 5) == (Piece(text="abc"), Piece(text="de…", labels=("x",)))


def test_the_hardest_tasks_are_a_small_page_that_is_read_back(tmp_path: Path) -> None:
    bank = with_ids(hostile_bank())
    source = EpisodeSampler(bank, TASK, seed=0)
    write_hardest(tmp_path, source, [3, 1], made_learner(bank), "by length", temperature=2.0)
    path = tmp_path / HARDEST_PAGE
    assert path.stat().st_size < 2**17
    tasks = read_shown(path)
    assert tasks
    assert [task.title.split(", ")[1:3] for task in tasks] == [["task 3", "by length: accuracy 33.33%"]] or len(
        tasks
    ) == 2
    for task, number in zip(tasks, (3, 1), strict=True):
        limits = Limits(25, 5, 20, 300)
        made = predictions(source, number, made_learner(bank), 2.0)
        assert task.model_dump(exclude={"title"}) == shown_task(source, number, "", made, limits).model_dump(
            exclude={"title"}
        )
    texts = [piece.text for task in tasks for each in task.classes for text in each.support for piece in text]
    assert all(len(text) <= 301 for text in texts)
    assert all(harmless(text.replace("\u200d", "")) for text in texts)


def test_hardest_tasks_of_many_long_texts_still_make_a_small_file(tmp_path: Path) -> None:
    texts = [
        f"{label} {number} " + "\N{CJK UNIFIED IDEOGRAPH-65E5}<&" * 500 for label in range(40) for number in range(25)
    ]
    names = [f"class {label} " + "x" * 300 for label in range(40)]
    labels = [label for label in range(40) for _ in range(25)]
    bank = with_ids(TextBank.from_labels("long/test", texts, labels, names, names))
    source = EpisodeSampler(bank, FixedTask(ways=40, shots=5, queries=20), seed=0)
    write_hardest(tmp_path, source, [0, 1, 2], made_learner(bank), "by length")
    assert (tmp_path / HARDEST_PAGE).stat().st_size <= MOST_BYTES
    tasks = read_shown(tmp_path / HARDEST_PAGE)
    assert tasks
    assert len(tasks) == 3


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<p>no tasks</p>",
        f"{BEGIN}not json{END}",
        f"{BEGIN}[]",
        f'{BEGIN}[{{"title": "a", "classes": [], "other": 1}}]{END}',
        f'{BEGIN}[{{"title": "a"}}]{END}',
        f'{BEGIN}[{",".join(["{}"] * 9)}]{END}',
        f'{BEGIN}[{{"title": "a", "classes": [], "more_classes": -1}}]{END}',
        f'{BEGIN}[{{"title": "a", "classes": [], "more_classes": 1e400}}]{END}',
        BEGIN + "[" * 100_000 + END,
    ],
)  # fmt: skip
def test_a_page_that_is_none_gives_no_tasks(content: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(content)
    assert read_shown(tmp_path / "page.html") is None


def test_what_cannot_be_read_gives_no_tasks(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"\xff" + f"{BEGIN}[]{END}".encode())
    (tmp_path / "large.html").write_text(" " * MOST_BYTES + f"{BEGIN}[]{END}")
    for name in ("page.html", "large.html", "missing.html", "."):
        assert read_shown(tmp_path / name) is None


def test_what_a_page_says_of_itself_is_made_harmless(tmp_path: Path) -> None:
    hostile = '[{"title": "a\\u001b[31m\\u202e", "classes": []}]'
    (tmp_path / "page.html").write_text(f"<script>window.hit = 1</script>{BEGIN}{hostile}{END}")
    (task,) = read_shown(tmp_path / "page.html") or ()
    assert task.title == "a\ufffd[31m\ufffd"


def test_a_page_without_data_has_none(tmp_path: Path) -> None:
    source = EpisodeSampler(hostile_bank(), TASK, seed=0)
    page = html(Page(title=HOSTILE[0], tasks=[shown_task(source, 0, HOSTILE[0])]))
    assert "<script" not in page
    (tmp_path / "page.html").write_text(page)
    assert read_shown(tmp_path / "page.html") is None
