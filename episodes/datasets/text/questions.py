"""xquad: 1,190 questions about 240 paragraphs of 48 Wikipedia articles, whose answers are spans of the paragraphs.

Artetxe, Ruder, Yogatama 2020 (the English part, from SQuAD 1.1's development set, Rajpurkar et al. 2016); CC BY-SA 4.0;
from https://github.com/google-deepmind/xquad. Needs xquad.en.json, as it is or as .gz, in a folder `xquad` of
--data-root. No split was published; metabench's is by articles: of every six in the file's order three are for the
support, one for validation and two for queries, 584, 202 and 404 questions. Tasks have --shots questions with their
answers as support, and all 404 as queries.
"""

from __future__ import annotations

from pathlib import Path

from episodes.banks.spans import QuestionBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import refuse_split
from episodes.datasets.text.sources import find_folder, needed_file
from episodes.datasets.text.squad import read_squad, split_questions, with_support

KIND = "questions"

FILE = "xquad.en.json"


def load(name: str, options: DataOptions) -> Dataset[QuestionBank]:
    """The questions by metabench's split.

    Raises:
        DataError: another split, or a missing or unreadable file.
    """
    refuse_split(name, options.split)
    return split_questions(name, read_squad(needed_file(find(name, options), FILE)))


def load_spans(name: str, options: DataOptions) -> Dataset[QuestionBank]:
    """The same with the training questions for the support of all tasks, and the others as queries."""
    return with_support(load(name, options))


def find(name: str, options: DataOptions) -> Path:
    """The folder with the file; raises DataError where there is none."""
    return find_folder(name, options, "xquad", (FILE,), "https://github.com/google-deepmind/xquad")
