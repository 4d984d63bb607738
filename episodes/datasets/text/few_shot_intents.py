"""The fixed draws of Zhang et al. 2021 from banking77 and clinc150: K labelled texts of each intent, and test texts.

Zhang et al. 2021 (EMNLP, "Few-Shot Intent Detection via Contrastive Pre-Training and Fine-Tuning"). Published values
for 5 and 10 shots stand on them. From https://github.com/jianguoz/Few-Shot-Intent-Detection, folder Datasets. The texts
are those of the two datasets; the ones of banking77 are in lower case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from episodes.dataset import DataOptions
from episodes.datasets.text.reading import clean_label, decoded
from episodes.datasets.text.sources import places
from episodes.errors import DataError
from episodes.files.archives import open_container, unreadable

DRAWS = {"few-shot-5": 5, "few-shot-10": 10}  # by the name of the split, the labelled texts of each intent
FOLDER, SOURCE = "intent-few-shot", "https://github.com/jianguoz/Few-Shot-Intent-Detection (folder Datasets)"
AGAIN = "download it again"

Texts = list[tuple[str, str]]  # each with its intent


def read_draw(name: str, split: str, options: DataOptions, intents: Collection[str]) -> tuple[Texts, Texts]:
    """The labelled texts of a draw, and the texts for test.

    Args:
        name: `banking77` or `clinc150`.
        split: one of `DRAWS`.
        options: with the data root.
        intents: all that there must be.

    Raises:
        DataError: the files are missing, cannot be read, or do not have so many texts of each of these intents.
    """
    root = _find(name, split, options)
    training, test = (_read(root, folder) for folder in (f"train_{DRAWS[split]}", "test"))
    for texts, what in ((training, f"train_{DRAWS[split]}"), (test, "test")):
        if other := sorted({intent for _, intent in texts} ^ set(intents)):
            raise DataError(
                f"{what} of '{root}' has other intents than {name}: {len(other)} differ, '{other[0]}' first; {AGAIN}"
            )
    for intent, found in Counter(intent for _, intent in training).items():
        if found != DRAWS[split]:
            raise DataError(
                f"train_{DRAWS[split]} of '{root}' has {found} texts of intent '{intent}', and it must have "
                f"{DRAWS[split]}; {AGAIN}"
            )
    return training, test


def _find(name: str, split: str, options: DataOptions) -> Path:
    """The archive, or the folder of its name."""
    called = name.upper()
    for place in places(options, FOLDER):
        for path in (place / f"{called}.zip", place / called):
            if path.exists() and (path.name != called or (path / "test").is_dir()):
                return path
    raise DataError(
        f"--split {split} needs the folder {called} of {SOURCE}, as it is or as {called}.zip, in "
        f"'{options.folder / FOLDER}'; put it there, or name the folder above by --data-root"
    )


def _read(root: Path, folder: str) -> Texts:
    """The texts in a folder of the archive: `seq.in` has one on each line, and `label` the intent of each."""
    wanted = (f"{folder}/seq.in", f"{folder}/label")
    try:
        container = open_container(root)
        there = container.listing().sizes
        # An archive may have the folder of its own name above these.
        paths = [next((path for path in there if f"/{path}".endswith(f"/{file}")), None) for file in wanted]
        known = {path: file for path, file in zip(paths, wanted, strict=True) if path}
        if missing := [file for file in wanted if file not in known.values()]:
            raise DataError(f"'{root}' has no {missing[0]}; {AGAIN}")
        found = dict(container.contents(known))
    except DataError:
        raise
    except Exception as error:  # readers of archives raise whatever broken bytes lead to
        raise unreadable(root, error) from None
    columns = []
    for path, file in known.items():
        content = found[path]
        if isinstance(content, OSError):
            raise unreadable(root / file, content)
        columns.append(decoded(content, f"'{root / file}'").removesuffix("\n").split("\n"))
    texts, labels = ([text.strip() for text in columns[0]], [clean_label(label) for label in columns[1]])
    if len(texts) != len(labels):
        raise DataError(f"'{root}' has {len(texts)} lines in {wanted[0]} and {len(labels)} in {wanted[1]}; {AGAIN}")
    for what, lines in zip(wanted, (texts, labels), strict=True):
        if "" in lines:
            raise DataError(f"'{root}' has an empty line {lines.index('') + 1} in {what}; {AGAIN}")
    return list(zip(texts, labels, strict=True))
