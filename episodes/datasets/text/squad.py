"""squad:FILE: your own questions about texts, whose answers are spans of them: a JSON file of SQuAD's form, also .gz.

Rajpurkar et al. 2016: `data`, a list of articles with `paragraphs`; each has a `context` and `qas`, which have a
`question`, an `id` and `answers`, each a `text` with its `answer_start` in the context. Of every six articles in the
file's order three are for the support, one for validation and two for queries (of fewer than six articles paragraphs
are taken in place of them), so no text is in two parts. Tasks have --shots questions with their answers as support, and
all questions for queries. Questions without an answer in their text, as SQuAD 2.0 has, are left out.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from episodes.banks.spans import QuestionBank, Sentence
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import refuse_split
from episodes.datasets.text.reading import clean, read_json
from episodes.datasets.text.sources import own_file
from episodes.errors import DataError, counted, renamed
from episodes.files.json_text import json_kind
from episodes.files.remembered import remember
from episodes.names import short_name

KIND = "questions"
TAKES = "FILE"  # as users write it: squad:FILE

PREFIX = "squad:"
ANSWER = "answer"  # the only type
ARTICLES = "articles"  # the name of the split
PART_OF = ("train", "train", "train", "validation", "test", "test")  # of every six articles
# Letters and digits together, with their accents; every other sign alone, and so each Chinese or Japanese one.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)(?:(?![{CJK}])[\w\u0300-\u036f])*|[^\w\s]")

Articles = list[list[list[Sentence]]]  # of each article its paragraphs, and of each its questions


def load(name: str, options: DataOptions) -> Dataset[QuestionBank]:
    """The questions of the file, split by articles.

    Raises:
        DataError: a split, a missing or unreadable file, or fewer than six articles and paragraphs.
    """
    refuse_split(f"{PREFIX}{name}", options.split)
    path = find(name, options)
    dataset = split_questions(short_name(f"{PREFIX}{path}"), read_squad(path))
    remember(dataset.name, path)
    return dataset


def load_spans(name: str, options: DataOptions) -> Dataset[QuestionBank]:
    """The same with the training questions for the support of all tasks, and the others as queries.

    Raises:
        DataError: as `load`.
    """
    return with_support(load(name, options))


def find(name: str, options: DataOptions) -> Path:
    """The file itself; raises DataError where it is not there."""
    return own_file(PREFIX, name, options, "a JSON file of SQuAD's form")


def split_questions(name: str, articles: Articles) -> Dataset[QuestionBank]:
    """The questions as train, validation and test, whole articles each, or paragraphs of fewer than six.

    Raises:
        DataError: fewer than six paragraphs.
    """
    units = articles if len(articles) >= len(PART_OF) else [[each] for article in articles for each in article]
    if len(units) < len(PART_OF):
        raise DataError(
            f"'{name}' has questions about {counted(len(units), 'texts')}; it needs at least {len(PART_OF)}: give more"
        )
    parts: dict[str, list[Sentence]] = {part: [] for part in PART_OF}
    for number, unit in enumerate(units):
        parts[PART_OF[number % len(PART_OF)]] += [question for paragraph in unit for question in paragraph]
    train, validation, test = (QuestionBank(f"{name}/{part}", tuple(each), (ANSWER,)) for part, each in parts.items())
    return Dataset(name, ARTICLES, train, validation, test)


def with_support(dataset: Dataset[QuestionBank]) -> Dataset[QuestionBank]:
    """Validation and test banks that begin with the training questions, their own questions held out."""
    support = dataset.train.sentences
    validation, test = (
        replace(bank, sentences=(*support, *bank.sentences), held=len(bank))
        for bank in (dataset.validation, dataset.test)
    )
    return replace(dataset, validation=validation, test=test)


def read_squad(path: Path) -> Articles:
    """The questions of a file, by articles and paragraphs, each with its text.

    Warns of answers that are not where the file says, and of questions that are left out.

    Raises:
        DataError: it cannot be read, or is not of SQuAD's form.
    """
    found = _Reader(path)
    content = read_json(path, "give a file of SQuAD's form, or download it again")
    articles = found.articles(content)
    if not articles:
        raise DataError(f"'{path}' has no question with an answer in its text; SQuAD's form has them under data")
    found.warn()
    return articles


@dataclass
class _Reader:
    """Attributes:
    path: of the file, for messages.
    documents: a number for each text.
    moved: the answers, with their questions, that are not where the file says.
    lost: those that are nowhere in their text.
    empty: how many questions have no answer.
    wordless: how many are themselves empty.
    """

    path: Path
    documents: dict[str, int] = field(default_factory=dict)
    moved: list[tuple[str, str]] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    empty: int = 0
    wordless: int = 0

    def articles(self, content: Any) -> Articles:
        articles = []
        for number, article in enumerate(self._list(content, "data", "the file"), 1):
            whose = f"article {number:,}"
            paragraphs = [
                self._paragraph(each, f"paragraph {place:,} of {whose}")
                for place, each in enumerate(self._list(article, "paragraphs", whose), 1)
            ]
            articles.append([each for each in paragraphs if each])
        return [each for each in articles if each]

    def _paragraph(self, paragraph: Any, whose: str) -> list[Sentence]:
        text = _same_length(self._text(paragraph, "context", whose))
        words = tuple(match.span() for match in WORD.finditer(text))
        document = self.documents.setdefault(text, len(self.documents))
        made = (
            self._question(each, text, words, document, f"question {place:,} of {whose}")
            for place, each in enumerate(self._list(paragraph, "qas", whose), 1)
        )
        return [each for each in made if each]

    def _question(
        self, asked: Any, text: str, words: Sequence[tuple[int, int]], document: int, whose: str
    ) -> Sentence | None:
        """The question with its text; None if it is empty or has no answer there. The first answer is in the labels."""
        question = " ".join(clean(self._text(asked, "question", whose)).split())
        if not question:
            self.wordless += 1
            return None
        name = str(asked.get("id", question))[:60]
        places, accepted = [], []
        for answer in self._list(asked, "answers", f"question '{name}'"):
            wanted = _same_length(self._text(answer, "text", f"an answer of question '{name}'"))
            place = self._place(answer.get("answer_start"), wanted, text, name)
            if place is not None and wanted.strip():
                accepted.append(wanted.strip())
                places.append((place, place + len(wanted)))
        touched = [number for number, (first, last) in enumerate(words) if places and _meet((first, last), places[0])]
        if not touched:
            self.empty += 1
            return None
        mention = (touched[0], touched[-1] + 1, ANSWER)
        return Sentence(text, words, (mention,), document, question, tuple(dict.fromkeys(accepted)))

    def _place(self, start: Any, wanted: str, text: str, name: str) -> int | None:
        """Where the answer begins: where the file says, or else the nearest place in the text that has it."""
        if isinstance(start, int) and start >= 0 and text.startswith(wanted, start):
            return start
        places = list(_places(text, wanted.strip())) if wanted.strip() else []
        if not places:
            self.lost.append((wanted, name))
            return None
        self.moved.append((wanted, name))
        return min(places, key=lambda place: abs(place - start)) if isinstance(start, int) else places[0]

    def warn(self) -> None:
        """Say in a line each what was repaired, and what was left out."""
        for answers, what in ((self.moved, "the nearest such place is taken"), (self.lost, "they are left out")):
            if answers:
                where = "where answer_start says" if answers is self.moved else "in their texts"
                warnings.warn(
                    f"'{self.path}' has {counted(len(answers), 'answers')} not {where}, '{answers[0][0][:40]}' of "
                    f"question '{answers[0][1]}' first; {what}",
                    stacklevel=4,
                )
        if self.wordless:
            warnings.warn(f"'{self.path}': left out {counted(self.wordless, 'questions')} without words", stacklevel=4)
        if self.empty:
            warnings.warn(
                f"'{self.path}': left out {counted(self.empty, 'questions')} without an answer in the text",
                stacklevel=4,
            )

    def _list(self, value: Any, name: str, whose: str) -> list[Any]:
        return self._field(value, name, whose, list, "a list")  # type: ignore[no-any-return]

    def _text(self, value: Any, name: str, whose: str) -> str:
        return self._field(value, name, whose, str, "a text")  # type: ignore[no-any-return]

    def _field(self, value: Any, name: str, whose: str, kind: type, called: str) -> Any:
        found = value.get(name) if isinstance(value, dict) else None
        if not isinstance(found, kind):
            shown, meant = json_kind(found), ""
            if not isinstance(value, dict):
                shown = f"{json_kind(value)} in place of an object"
            elif name not in value:
                shown, meant = f"keys {', '.join(map(repr, value))}"[:300] if value else "none", renamed(name, value)
            raise DataError(
                f"'{self.path}' is not of SQuAD's form: {whose} needs '{name}', {called}; found {shown}{meant}"
            )
        return found


def _same_length(text: str) -> str:
    """Without control characters and half characters, and every other one in its place."""
    return clean(text.replace("\r\n", " \n"))


def _places(text: str, wanted: str) -> Iterator[int]:
    place = text.find(wanted)
    while place >= 0:
        yield place
        place = text.find(wanted, place + 1)


def _meet(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] < second[1] and second[0] < first[1]
