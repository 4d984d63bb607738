"""CLINC150 and BANKING77: the published numbers, and class splits that are metabench's own."""

import json
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.dataset import PARTS
from episodes.datasets import find, get_dataset
from episodes.datasets.all_way import all_way
from episodes.datasets.splitting import published


def test_clinc150_has_the_published_numbers_and_whole_domains(data_root: Path) -> None:
    dataset = load("clinc150", DataOptions(data_root))
    banks = [dataset.train, dataset.validation, dataset.test]
    assert dataset.split == "domains"
    assert [bank.classes for bank in banks] == [75, 30, 45]
    assert {size for bank in banks for size in bank.class_sizes} == {150}  # 100 + 20 + 30 per intent
    names = [name for bank in banks for name in bank.class_names]
    assert len(set(names)) == 150
    domains = [set(bank.groups) for bank in banks]
    assert [len(each) for each in domains] == [5, 2, 3]
    assert len(set.union(*domains)) == 10
    assert {bank.groups.count(domain) for bank in banks for domain in set(bank.groups)} == {15}
    assert "oos" not in names


def test_requests_out_of_scope_are_there_when_asked_for(data_root: Path) -> None:
    plain, more = load("clinc150", DataOptions(data_root)), load("clinc150", DataOptions(data_root, "oos"))
    assert more.split == "oos"
    assert more.test.class_names == (*plain.test.class_names, "oos")
    assert (more.test.groups[-1], more.test.class_sizes[-1]) == ("oos", 1200)
    assert more.train.fingerprint == plain.train.fingerprint
    assert more.validation.fingerprint == plain.validation.fingerprint
    training, test = get_dataset("clinc150").load_all("clinc150", DataOptions(data_root, "oos"))
    number = training.class_names.index("oos")
    assert (training.class_sizes[number], test.class_sizes[number]) == (200, 1000)
    assert load("clinc150", DataOptions(data_root, "seed=1")).split == "seed=1"


def test_banking77_has_the_published_numbers(data_root: Path) -> None:
    dataset = load("banking77", DataOptions(data_root))
    banks = [dataset.train, dataset.validation, dataset.test]
    assert [bank.classes for bank in banks] == [37, 15, 25]
    assert sum(len(bank) for bank in banks) == 10_003 + 3_080
    listed = json.loads((data_root / "text" / "banking77" / "categories.json").read_text())
    assert sorted(name for bank in banks for name in bank.class_names) == sorted(listed)
    assert {group for bank in banks for group in bank.groups} == {"banking"}


def test_all_intents_have_the_published_texts_for_test_as_queries(data_root: Path) -> None:
    banking, clinc = (all_way(name, DataOptions(data_root)) for name in ("banking77", "clinc150"))
    assert banking.test.held_out == (40,) * 77
    assert len(banking.train) == 10_003
    assert clinc.test.held_out == (30,) * 150
    assert set(clinc.train.class_sizes) == {120}
    first = banking.test.class_starts[banking.test.class_names.index("card_arrival")]
    texts = list(banking.test.texts())
    assert texts[first] == "I am still waiting on my card?"
    assert "How do I locate my card?" in texts
    assert "How do I locate my card?" not in list(banking.train.texts())


@pytest.mark.parametrize(("name", "sizes"), [("banking77", (37, 15, 25)), ("clinc150", (75, 30, 45))])
def test_the_lists_are_disjoint_and_say_whose_they_are(name: str, sizes: tuple[int, ...]) -> None:
    content = published(name)
    assert tuple(len(content[part]) for part in PARTS) == sizes
    assert len({each for part in PARTS for each in content[part]}) == sum(sizes)
    assert "this split is metabench's" in content["about"]
    assert "https://" in content["source"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Both sets in their own formats, with one or two texts per intent; one plain, one beside a folder `text`."""
    content = published("clinc150")
    intents = [intent for domain in content["domains"].values() for intent in domain]
    parts = {part: [[f"{part} {intent}", intent] for intent in intents] for part in ("train", "val", "test")}
    (tmp_path / "clinc150").mkdir()
    (tmp_path / "clinc150" / "data_full.json").write_text(
        json.dumps(parts | {f"oos_{part}": [[f"what {part}", "oos"]] for part in parts})
    )
    (tmp_path / "text" / "banking77").mkdir(parents=True)
    names = [name for part in PARTS for name in published("banking77")[part]]
    for part in ("train", "test"):
        rows = "".join(f'"{part}, {name}",{name}\n' for name in names)
        (tmp_path / "text" / "banking77" / f"{part}.csv").write_text("text,category\n" + rows)
    return tmp_path


def test_a_class_has_its_training_texts_first(made: Path) -> None:
    clinc, banking = (load(name, DataOptions(made)) for name in ("clinc150", "banking77"))
    name = clinc.train.class_names[1]
    assert [clinc.train.text(row) for row in (3, 4, 5)] == [f"train {name}", f"val {name}", f"test {name}"]
    name = banking.test.class_names[0]
    assert [banking.test.text(row) for row in (0, 1)] == [f"train, {name}", f"test, {name}"]
    assert find("banking77", DataOptions(made)) == made / "text" / "banking77"


def test_what_is_wrong_with_the_files_is_said(made: Path) -> None:
    with pytest.raises(DataError, match="'banking77' has no split 'x'; give seed=N, small-seed=N"):
        load("banking77", DataOptions(made, "x"))
    with pytest.raises(DataError, match="banking77 has no split 'seed=1'; leave --split out, or give banking77"):
        get_dataset("banking77").load_all("banking77", DataOptions(made, "seed=1"))
    file = made / "text" / "banking77" / "test.csv"
    file.write_text(file.read_text() + "hello,greeting\n")
    with pytest.raises(DataError, match="'banking77' has 1 classes that are not its own, 'greeting' first; download"):
        load("banking77", DataOptions(made))
    for name in ("train.csv", "test.csv"):
        (made / "text" / "banking77" / name).write_text("text,category\nhello,age_limit\n")
    with pytest.raises(DataError, match="'banking77' lacks 76 classes of its split"):
        load("banking77", DataOptions(made))
    file.write_text("text,label\nhello,age_limit\n")
    with pytest.raises(DataError, match=r"test.csv' has no column 'category': found columns 'text', 'label'; download"):
        load("banking77", DataOptions(made))
    file.unlink()
    with pytest.raises(DataError, match=r"banking77 needs train.csv, test.csv of https://github.com/PolyAI-LDN/.* in"):
        load("banking77", DataOptions(made))
    for content in ("[]", '{"train": [["a"]]}', '{"train": 3}'):
        (made / "clinc150" / "data_full.json").write_text(content)
        with pytest.raises(DataError, match=r"data_full.json' does not hold lists of texts with .* download"):
            load("clinc150", DataOptions(made))
    (made / "clinc150" / "data_full.json").write_text("{")
    with pytest.raises(DataError, match=r"data_full.json' is not valid JSON: .*; download it again"):
        load("clinc150", DataOptions(made))
