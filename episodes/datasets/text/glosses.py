"""wordnet: the 117,659 definitions of WordNet 3.0 by their 45 categories, 25 / 8 / 12 of them.

WordNet 3.0: Fellbaum 1998, Princeton University; the WordNet 3.0 licence (free, with its notice); from
https://wordnet.princeton.edu/download. A text is a definition with its examples. The words that it defines are left
out, since they would give away most categories; examples may have them. Categories are the lexicographers' files, such
as noun.animal or verb.motion, and a class's group is its part of speech. All texts are kept; the smallest category,
noun.motive, has 42. No class split was published; metabench's draws from each part of speech. Other class splits:
--split seed=N, small-seed=N, or a .json file. `--task all-way` has one half of each category's texts (shuffled by a
fixed rule) to learn from, and the other as queries.

Needs, in a folder `wordnet` of --data-root, `dict/` with data.adj, data.adv, data.noun and data.verb (the files of
WordNet-3.0.tar.gz or WNdb-3.0.tar.gz, unpacked), or `glosses.tsv`, a table of columns category and gloss; or .gz of
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from episodes.banks.text import TextBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.item_split import halves
from episodes.datasets.splitting import refuse_split, whole_split
from episodes.datasets.text.reading import clean, lines, opened, read_rows
from episodes.datasets.text.sources import file_in, needed_file, places
from episodes.errors import DataError

KIND = "text"

TABLE = "glosses.tsv"
DATA = ("data.adj", "data.adv", "data.noun", "data.verb")
GROUPS = {"adj": "adjective", "adv": "adverb", "noun": "noun", "verb": "verb"}

# The categories by their numbers in Princeton's files (lexnames(5WN)).
CATEGORIES = (
    *("adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact", "noun.attribute"),
    *("noun.body", "noun.cognition", "noun.communication", "noun.event", "noun.feeling", "noun.food", "noun.group"),
    *("noun.location", "noun.motive", "noun.object", "noun.person", "noun.phenomenon", "noun.plant"),
    *("noun.possession", "noun.process", "noun.quantity", "noun.relation", "noun.shape", "noun.state"),
    *("noun.substance", "noun.time", "verb.body", "verb.change", "verb.cognition", "verb.communication"),
    *("verb.competition", "verb.consumption", "verb.contact", "verb.creation", "verb.emotion", "verb.motion"),
    *("verb.perception", "verb.possession", "verb.social", "verb.stative", "verb.weather", "adj.ppl"),
)


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """All texts of each category, and the categories by metabench's split or the one that is asked for.

    Raises:
        DataError: a split that there is not, or missing or unreadable files.
    """
    return whole_split(_bank(name, find(name, options)), "wordnet", options.split)


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """Two halves of each category's texts (see `halves`).

    Raises:
        DataError: another split than metabench's, or missing or unreadable files.
    """
    refuse_split(name, options.split, ("wordnet",))
    return halves(_bank(name, find(name, options)))


def find(name: str, options: DataOptions) -> Path:
    """The folder with the files.

    Raises:
        DataError: it is nowhere.
    """
    for place in places(options, "wordnet"):
        for folder in (place / "dict", place):
            if all(file_in(folder, file) for file in DATA) or (folder == place and file_in(place, TABLE)):
                return folder
    raise DataError(
        f"{name} needs the folder dict of WordNet-3.0.tar.gz of https://wordnet.princeton.edu/download in "
        f"'{options.folder / 'wordnet'}'; put it there, or name the folder above by --data-root"
    )


def _bank(name: str, folder: Path) -> TextBank:
    table = file_in(folder, TABLE)
    found = _of_table(table) if table else (row for file in DATA for row in _of_file(needed_file(folder, file)))
    numbers = {category: number for number, category in enumerate(sorted(CATEGORIES))}
    texts, labels = [], []
    for where, category, gloss in found:
        if category not in numbers:
            raise DataError(f"{where}: '{category[:40]}' is not a category of WordNet; download the file again")
        texts.append(clean(gloss).strip())
        labels.append(numbers[category])
    missing = len(numbers) - len(set(labels))
    if missing:
        raise DataError(f"'{folder}' lacks {missing} of WordNet's {len(numbers)} categories; download its files again")
    groups = [GROUPS[category.partition(".")[0]] for category in numbers]
    return TextBank.from_labels(name, texts, labels, list(numbers), groups)


def _of_table(path: Path) -> Iterator[tuple[str, str, str]]:
    for row in read_rows(path, ("category", "gloss"), tabs=True, advice="separate its columns by tabs"):
        category, gloss = row.fields
        yield f"'{path}', line {row.line}", category or "", gloss or ""


def _of_file(path: Path) -> Iterator[tuple[str, str, str]]:
    """Of Princeton's files, whose lines are `offset category … | gloss` (wndb(5WN)); the licence is indented."""
    with opened(path) as file:
        for number, line in enumerate(lines(file, path), 1):
            if line.startswith("  ") or not line.strip():
                continue
            synset, bar, gloss = line.partition("|")
            fields = synset.split(" ", 2)
            if not bar or len(fields) < 3 or not fields[1].isdecimal() or int(fields[1]) >= len(CATEGORIES):
                raise DataError(f"'{path}', line {number}: not a line of WordNet's database; download the file again")
            yield f"'{path}', line {number}", CATEGORIES[int(fields[1])], gloss
