"""WordNet's definitions: the published numbers, and both forms of its files."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.dataset import PARTS
from episodes.datasets import find
from episodes.datasets.all_way import all_way
from episodes.datasets.splitting import published
from episodes.datasets.text.glosses import CATEGORIES, DATA

# wnstats(7WN) of WordNet 3.0: its synsets by part of speech.
SYNSETS = {"noun": 82_115, "verb": 13_767, "adjective": 18_156, "adverb": 3_621}


def test_wordnet_has_the_published_numbers(data_root: Path) -> None:
    dataset = load("wordnet", DataOptions(data_root))
    banks = [dataset.train, dataset.validation, dataset.test]
    assert [bank.classes for bank in banks] == [25, 8, 12]
    counted: Counter[str] = Counter()
    for bank in banks:
        for group, size in zip(bank.groups, bank.class_sizes, strict=True):
            counted[group] += size
    assert counted == SYNSETS
    assert min(size for bank in banks for size in bank.class_sizes) == 42
    plant = dataset.test.class_names.index("noun.plant")
    start = dataset.test.class_starts[plant]
    rows = range(start, start + dataset.test.class_sizes[plant])
    assert any("tree" in dataset.test.text(row) for row in rows)


def test_all_categories_are_halved(data_root: Path) -> None:
    dataset = all_way("wordnet", DataOptions(data_root))
    assert dataset.test.classes == 45
    assert len(dataset.test) == 117_659
    size = dataset.test.class_sizes[dataset.test.class_names.index("noun.Tops")]
    assert (size, dataset.test.held_out[dataset.test.class_names.index("noun.Tops")]) == (51, 25)


def test_the_split_has_nouns_and_verbs_in_every_part_and_every_category_once() -> None:
    content = published("wordnet")
    assert sorted(each for part in PARTS for each in content[part]) == sorted(CATEGORIES)
    kinds = [Counter(each.partition(".")[0] for each in content[part]) for part in PARTS]
    assert [each["noun"] for each in kinds] == [14, 5, 7]
    assert [each["verb"] for each in kinds] == [8, 3, 4]


def princeton(folder: Path) -> None:
    """Files as Princeton's, with two synsets per category, one of which has a bar and a quotation mark."""
    folder.mkdir(parents=True)
    rows: dict[str, list[str]] = {name: ["  1 This software and database is being provided to you\n"] for name in DATA}
    for number, category in enumerate(CATEGORIES):
        for synset in range(2):
            gloss = f'{category}{synset}, a thing; "it | is"'
            line = f"0000{number:02}{synset} {number:02} n 01 word 0 001 @ 00001740 n 0000 | {gloss}  \n"
            rows[f"data.{category.partition('.')[0]}"].append(line)
    for name, lines in rows.items():
        (folder / name).write_text("".join(lines))


def test_princetons_files_and_a_table_of_them_are_the_same(tmp_path: Path) -> None:
    princeton(tmp_path / "one" / "wordnet" / "dict")
    (tmp_path / "two" / "wordnet").mkdir(parents=True)
    table = "category\twords\tgloss\n" + "".join(
        f'{category}\tword\t{category}{synset}, a thing; "it | is"\n' for category in CATEGORIES for synset in range(2)
    )
    (tmp_path / "two" / "wordnet" / "glosses.tsv.gz").write_bytes(gzip.compress(table.encode()))
    one, two = (load("wordnet", DataOptions(tmp_path / place)) for place in ("one", "two"))
    assert one.train.text(0) == f'{one.train.class_names[0]}0, a thing; "it | is"'
    for part in PARTS:
        assert getattr(one, part).fingerprint == getattr(two, part).fingerprint
    assert find("wordnet", DataOptions(tmp_path / "one")) == tmp_path / "one" / "wordnet" / "dict"


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wordnet needs the folder dict of WordNet-3.0.tar.gz of https://wordnet"):
        load("wordnet", DataOptions(tmp_path))
    princeton(tmp_path / "dict")
    file = tmp_path / "dict" / "data.adv"
    file.write_text(file.read_text() + "00001740 77 n 01 word | gloss\n")
    with pytest.raises(DataError, match=r"data.adv', line 4: not a line of WordNet's database; download"):
        load("wordnet", DataOptions(tmp_path))
    file.write_text("")
    with pytest.raises(DataError, match="lacks 1 of WordNet's 45 categories; download its files again"):
        load("wordnet", DataOptions(tmp_path))
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "wordnet" / "glosses.tsv").write_text("category\tgloss\nnoun.thing\ta thing\n")
    with pytest.raises(DataError, match=r"line 2: 'noun.thing' is not a category of WordNet"):
        load("wordnet", DataOptions(tmp_path))
