"""What is read for a pre-training, and what is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from episodes import DataError
from episodes.banks.bank import Kind
from episodes.banks.text import TextBank, hash_text
from metabench.errors import UsageError
from metabench.pretraining.config import make_pretrain_config
from metabench.pretraining.corpus import Corpus, held_out, read_corpus, read_texts
from tests.made_texts import SHARED, dataset


def corpus(**settings: Any) -> Corpus[TextBank]:
    return read_corpus(make_pretrain_config(objective="masked-text", output=Path("x"), **settings))


def test_training_classes_are_read_and_validation_classes_validate() -> None:
    read, made = corpus(dataset="tests.made_texts:made"), dataset("made")
    assert list(read.train.texts()) == list(made.train.texts())
    assert list(read.validation.texts()) == list(made.validation.texts())
    assert read.left_out == 0
    assert set(read.digests) == {hash_text(text) for text in made.train.texts()}
    (source,) = read.sources
    assert source.model_dump() == {
        "kind": "dataset",
        "name": "tests.made_texts:made",
        "split": "s",
        "fingerprint": made.train.fingerprint,
        "validation_fingerprint": made.validation.fingerprint,
        "items": len(made.train),
        "validation_items": len(made.validation),
        "image_shape": None,
        "classes": (),
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "tests.made_texts:leaking+tests.made_texts:made"},
        {"dataset": "tests.made_texts:leaking", "without": "tests.made_texts:made"},
    ],
)
def test_texts_of_test_classes_are_left_out_whoever_has_them(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Plug-ins by module, which have no registered name, are not mixed by themselves.
    monkeypatch.setattr("metabench.pretraining.corpus.parts", lambda name: name.split("+"))
    alone = corpus(dataset="tests.made_texts:leaking")
    assert SHARED.upper() in set(alone.train.texts())
    read = corpus(**settings)
    assert SHARED.upper() not in set(read.train.texts())
    assert hash_text(SHARED) not in read.digests
    assert read.left_out == 1


def test_a_share_of_a_files_lines_validates_and_copies_go_together(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(300)]
    path = tmp_path / "lines.txt"
    path.write_text("\n\n".join([*lines, *lines]), encoding="utf-8-sig")
    read = corpus(text=(path,))
    train, validation = set(read.train.texts()), set(read.validation.texts())
    assert train | validation == set(lines)
    assert not train & validation
    assert len(validation) == 6
    assert len(read.validation) == 12
    assert [(source.kind, source.name) for source in read.sources] == [("file", "lines.txt")]
    assert str(tmp_path) not in str(read.sources)
    assert held_out(lines[::-1])[1] == [line for line in lines[::-1] if line in validation]


def test_files_and_datasets_go_together(tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text(f"one\ntwo\nthree\n{SHARED}\n")
    read = corpus(dataset="tests.made_texts:made", text=(path,))
    assert len(read.train) == len(dataset("made").train) + 2
    assert read.left_out == 1
    assert len(np.unique(read.digests)) <= len(read.train)


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("caf\xe9".encode("latin-1"))
    (tmp_path / "nul").write_bytes(b"a\nb\0\n")
    (tmp_path / "empty").write_text("\n \n")
    (tmp_path / "one").write_text("one line\n")
    (tmp_path / "caf\udce9").write_text("one line\n")
    for name, said in {
        "latin": r"is not UTF-8: its byte 4 \(0xE9\) does not fit",
        "nul": "has a NUL character in line 2",
        "empty": "has no texts; give a file with a text on each line",
        "none": "--text '.*none' is not there; give a file with a text on each line",
        "caf\udce9": r"the name of --text 'caf\\udce9' is not UTF-8, and no record could hold it; rename it",
        "no\0ne": "--text '.*' is not there; give a file",
        ".": "--text '.*' is no regular file; give a file with a text on each line",
    }.items():
        with pytest.raises((UsageError, DataError), match=said):
            read_texts(tmp_path / name)
    with pytest.raises(UsageError, match="too few texts: 0 to train on and 1 to validate on; give more"):
        corpus(text=(tmp_path / "one",))
    with pytest.raises(DataError, match="'glyphs' has images, and this objective takes text; name a dataset of text"):
        corpus(dataset="glyphs")
    with pytest.raises(UsageError, match=r"--dataset glyphs.glyphs has 'glyphs' twice; name each dataset once"):
        corpus(dataset="glyphs+glyphs")
    with pytest.raises(UsageError, match="--split s does not fit several datasets"):
        corpus(dataset="glyphs+omniglot", split="s")
    with pytest.raises(DataError, match="'glyphs' has images, and this objective takes text"):
        corpus(dataset="tests.made_texts:made", without="glyphs")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split": "s", "text": ("a",)}, "--split s is of a dataset; give --dataset too"),
        (
            {"split": "all", "dataset": "csv:a.csv"},
            "--split all makes every class a test class, and leaves none to train",
        ),
        ({"dataset": "x", "max_tokens": 4}, "--max-tokens: give at least 8; found 4"),
        ({"dataset": "x", "vocabulary": 7}, "--vocabulary: give at least 100"),
        ({"dataset": "x", "sed": 7}, "there is no setting 'sed'; did you mean 'seed'"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_pretrain_config(objective="masked-text", output=Path("x"), **settings)


def test_what_is_kept_of_the_settings_has_no_place_on_a_machine() -> None:
    settings = {"dataset": "folder:/home/me/flowers", "split": "/home/me/split.json", "data_root": Path("/home/me")}
    config = make_pretrain_config(
        objective="simclr", output=Path("/home/me/x"), without="csv:/home/me/a.csv", **settings
    )
    kept = config.recorded({"backbone": "hf:/home/me/vit", "weights": "/home/me/w"}, "images")
    assert "/home" not in str(kept)
    assert [kept[name] for name in ("dataset", "split", "without")] == ["folder:flowers", "split.json", "csv:a.csv"]
    assert config.recorded({"backbone": "conv4"}, "text")["text"] == []


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("text", {}, "there is nothing to read; give --dataset, e.g. clinc150.banking77, or --text FILE"),
        ("images", {}, "there is nothing to read; give --dataset, e.g. glyphs$"),
        (
            "text",
            {"dataset": "x", "image_size": 28},
            "--image-size is of images, and objective 'mine' takes text",
        ),
        ("text", {"dataset": "x", "channels": 1}, "--channels is of images"),
        ("images", {"text": ("a",)}, "--text is of text, and objective 'mine' takes images; leave it out"),
        ("images", {"dataset": "x", "vocabulary": 8192}, "--vocabulary is of text"),
        ("images", {"dataset": "x", "max_tokens": 128}, "--max-tokens is of text"),
    ],
)
def test_settings_of_another_kind_of_data(kind: Kind, settings: dict[str, Any], said: str) -> None:
    config = make_pretrain_config(objective="mine", output=Path("x"), **settings)
    with pytest.raises(UsageError, match=said):
        config.check_kind(kind)
