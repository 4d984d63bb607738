"""sick: pairs of sentences by what the first says of the second: 9,927 pairs, 3 classes, for --task all-way alone.

Marelli et al. 2014 (SemEval 2014, task 1); CC BY-NC-SA 3.0; from https://zenodo.org/records/2787612. Needs
SICK_train.txt, SICK_trial.txt and SICK_test_annotated.txt, as they are or as .gz, in a folder `sick` of --data-root.
Classes are ENTAILMENT, NEUTRAL and CONTRADICTION; a text is the pair of sentence_A and sentence_B. Three classes are
too few for a class split. The 4,500 pairs of train and the 500 of trial are to learn from, the 4,927 of test queries.
"""

from __future__ import annotations

from pathlib import Path

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import PARTS
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import refuse_split
from episodes.datasets.text.reading import clean, read_rows
from episodes.datasets.text.sources import find_folder, needed_file
from episodes.errors import DataError

KIND = "text"

CLASSES = ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
TRAINING, TEST = ("SICK_train.txt", "SICK_trial.txt"), ("SICK_test_annotated.txt",)
COLUMNS = ("sentence_A", "sentence_B", "entailment_judgment")
SOURCE = "https://zenodo.org/records/2787612"


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """Raises DataError: there is no class split."""
    raise DataError(
        f"{name} has {len(CLASSES)} classes ({', '.join(CLASSES)}), too few to train on some and test on others; give "
        "--task all-way, which takes all of them"
    )


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """The pairs of train and trial, and those of test.

    Raises:
        DataError: a split, or missing or unreadable files.
    """
    refuse_split(name, options.split)
    folder = find(name, options)
    return _bank(f"{name}/train", folder, TRAINING), _bank(f"{name}/test", folder, TEST)


def find(name: str, options: DataOptions) -> Path:
    """The folder with the files.

    Raises:
        DataError: it is nowhere.
    """
    return find_folder(name, options, "sick", (*TRAINING, *TEST), SOURCE)


def _bank(called: str, folder: Path, files: tuple[str, ...]) -> TextBank:
    texts: list[str] = []
    labels: list[int] = []
    for path in (needed_file(folder, file) for file in files):
        for row in read_rows(path, COLUMNS, tabs=True, advice="download it again"):
            first, second, judgment = (clean(field or "").strip() for field in row.fields)
            if judgment not in CLASSES:
                known = ", ".join(CLASSES)
                raise DataError(f"'{path}', line {row.line}: '{judgment[:40]}' is none of {known}; download it again")
            texts.append(f"{first}{PARTS}{second}")
            labels.append(CLASSES.index(judgment))
    return TextBank.from_labels(called, texts, labels, CLASSES, CLASSES)
