from pathlib import Path

import pytest
import torch
from PIL import ImageFont

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.datasets.choose_glyphs import ALIKE_ACROSS, alike, choose
from episodes.datasets.glyphs import FACES, draw, load_face, render


def banks(dataset: Dataset) -> list[ImageBank]:
    return [dataset.train, dataset.validation, dataset.test]


def test_the_pixels_are_those_of_every_machine(glyphs: Dataset) -> None:
    """The stored fingerprints hold; a machine where they do not would warn, and warnings fail."""
    assert [bank.classes for bank in banks(glyphs)] == [690, 79, 186]
    assert all(set(bank.class_sizes) == {40} for bank in banks(glyphs))
    assert glyphs.test.image_shape == (1, 28, 28)


def test_no_class_and_no_script_is_in_two_splits(glyphs: Dataset) -> None:
    for attribute in ("class_names", "groups"):
        members = [set(getattr(bank, attribute)) for bank in banks(glyphs)]
        assert not members[0] & members[1]
        assert not members[0] & members[2]
        assert not members[1] & members[2]
    assert {"Greek", "Cyrillic"} <= set(glyphs.test.groups)


def test_of_letters_that_look_alike_one_is_a_class(glyphs: Dataset) -> None:
    names = {name for bank in banks(glyphs) for name in bank.class_names}
    capital, small = "{}_capital_letter_{}".format, "{}_small_letter_{}".format
    for twins in (
        {capital("latin", "a"), capital("greek", "alpha"), capital("cyrillic", "a")},
        {capital("latin", "h"), capital("greek", "eta"), capital("cyrillic", "en")},
        {small("latin", "o"), small("greek", "omicron"), small("cyrillic", "o")},
        {small("latin", "p"), small("greek", "rho"), small("cyrillic", "er")},
    ):
        assert len(twins & names) == 1, twins


def test_no_test_letter_looks_like_a_training_letter(glyphs: Dataset) -> None:
    def undistorted(names: tuple[str, ...]) -> torch.Tensor:
        import unicodedata

        letters = [unicodedata.lookup(name.replace("_", " ")) for name in names]
        drawn = torch.stack([torch.stack([draw(letter, font) for letter in letters]) for font in fonts], 1)
        return torch.nn.functional.avg_pool2d(drawn.float(), 2)

    fonts: list[ImageFont.FreeTypeFont] = [load_face(face) for face in FACES]
    train, test = undistorted(glyphs.train.class_names), undistorted(glyphs.test.class_names[::6])
    assert all(float(alike(shape, train).max()) < ALIKE_ACROSS for shape in test)


def test_images_have_ink_and_differ(glyphs: Dataset) -> None:
    images = glyphs.test.images.float()
    assert images.flatten(1).mean(1).min() > 2
    assert images.flatten(1).mean(1).max() < 250
    by_class = images.view(186, 40, -1)
    assert len(torch.unique(by_class.round().long(), dim=1)[0]) == 40


def test_a_letter_is_drawn_the_same_whatever_is_drawn_with_it() -> None:
    assert torch.equal(render(["a", "b"])[40:], render(["b"]))
    assert not torch.equal(render(["a"]), render(["b"]))


def test_the_second_load_reads_the_cache(glyphs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("episodes.datasets.glyphs.render")
    again = load("glyphs")
    assert again.test.fingerprint == glyphs.test.fingerprint


def test_size_and_channels_can_be_chosen(glyphs: Dataset) -> None:
    dataset = load("glyphs", DataOptions(image_size=32, channels=3))
    assert dataset.test.image_shape == (3, 32, 32)
    assert torch.equal(dataset.test.images[:, 0], dataset.test.images[:, 2])
    shrunk = torch.nn.functional.interpolate(dataset.test.images[:50].float(), 28, mode="area")
    assert (shrunk[:, :1] - glyphs.test.images[:50].float()).abs().mean() < 12


def test_another_split_is_refused() -> None:
    with pytest.raises(DataError, match="glyphs has no split 'lake'; leave --split out, or give scripts"):
        load("glyphs", DataOptions(split="lake"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("glyph", "there is no dataset 'glyph'; did you mean 'glyphs'?"),
        ("folder", "there is no dataset 'folder'"),
        ("omniglot:x", "there is no dataset 'omniglot:x'; did you mean 'omniglot'?"),
    ],
)
def test_unknown_datasets_get_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        load(name)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DataOptions(channels=2), "--channels 2 is not possible; give 1"),
        (DataOptions(image_size=8), "--image-size 8 is too small; give at least 16"),
    ],
)
def test_impossible_options_are_refused(options: DataOptions, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load("glyphs", options)


@pytest.mark.slow
def test_the_list_of_classes_is_what_its_rules_give() -> None:
    import json

    stored = json.loads((Path(__file__).parents[2] / "episodes" / "splits" / "glyphs.json").read_text("utf-8"))
    assert choose() == stored["splits"]
