import numpy as np
import pytest
import torch

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.datasets.images.choose_glyphs import SAME_MEAN, choose, mean_images, same_mean, same_shape
from episodes.datasets.images.glyphs import render
from tests.conftest import PROJECT


def banks(dataset: Dataset) -> list[ImageBank]:
    return [dataset.train, dataset.validation, dataset.test]


def test_the_pixels_are_those_of_every_machine(glyphs: Dataset) -> None:
    """The stored fingerprints hold; a machine where they do not would warn, and warnings fail."""
    assert [bank.classes for bank in banks(glyphs)] == [415, 63, 147]
    assert all(set(bank.class_sizes) == {40} for bank in banks(glyphs))
    assert glyphs.test.item_shape == (1, 28, 28)


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
        {capital("latin", "p"), capital("greek", "rho"), small("cyrillic", "er")},
        {capital("latin", "s"), small("latin", "s")},
        {capital("latin", "i"), small("latin", "l"), "vertical_line", "digit_one"},
        {capital("latin", "o"), "digit_zero"},
        {capital("cyrillic", "zhe"), small("cyrillic", "zhe")},
        {capital("cyrillic", "de"), small("cyrillic", "de")},
        {capital("cyrillic", "ya"), small("cyrillic", "ya")},
    ):
        assert len(twins & names) == 1, twins


def test_no_two_classes_are_twins_in_a_split_or_across(glyphs: Dataset) -> None:
    """By numpy's correlation of the classes' mean images, all against all."""
    means = torch.cat([mean_images(bank.images) for bank in banks(glyphs)]).flatten(1)
    correlations = np.corrcoef(means.double().numpy())
    assert (np.triu(correlations, 1) >= SAME_MEAN).sum() == 0
    assert np.allclose(same_mean(means[7], means), correlations[7], atol=1e-5)


def test_letters_count_as_one_by_the_four_faces_in_which_they_look_most_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    letter = torch.rand(12, 28, 28, generator=generator)
    in_four_faces, other = torch.rand(2, 12, 28, 28, generator=generator)
    in_four_faces[[1, 4, 6, 9]] = 0.5 * letter[[1, 4, 6, 9]] + 0.1  # a correlation of 1
    twin, stranger = same_shape(letter, torch.stack([in_four_faces, other])).tolist()
    assert twin == pytest.approx(1)
    each = [np.corrcoef(letter[face].flatten(), other[face].flatten())[0, 1] for face in range(12)]
    assert stranger == pytest.approx(np.mean(sorted(each)[-4:]), abs=1e-5)


def test_images_have_ink_and_differ(glyphs: Dataset) -> None:
    images = glyphs.test.images.float()
    assert images.flatten(1).mean(1).min() > 2
    assert images.flatten(1).mean(1).max() < 250
    for of_class in glyphs.test.images.view(147, 40, -1):
        assert len(torch.unique(of_class, dim=0)) == 40


def test_a_letter_is_drawn_the_same_whatever_is_drawn_with_it() -> None:
    assert torch.equal(render(["a", "b"])[40:], render(["b"]))
    assert not torch.equal(render(["a"]), render(["b"]))


def test_the_second_load_reads_the_cache(glyphs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("episodes.datasets.images.glyphs.render")
    again = load("glyphs")
    assert again.test.fingerprint == glyphs.test.fingerprint


def test_size_and_channels_can_be_chosen(glyphs: Dataset) -> None:
    dataset = load("glyphs", DataOptions(image_size=32, channels=3))
    assert dataset.test.item_shape == (3, 32, 32)
    assert torch.equal(dataset.test.images[:, 0], dataset.test.images[:, 2])
    shrunk = torch.nn.functional.interpolate(dataset.test.images[:50].float(), 28, mode="area")
    assert (shrunk[:, :1] - glyphs.test.images[:50].float()).abs().mean() < 12


def test_another_split_is_refused() -> None:
    with pytest.raises(DataError, match="glyphs has no split 'lake'; leave --split out, or give scripts-2"):
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

    stored = json.loads((PROJECT / "episodes" / "splits" / "glyphs.json").read_text("utf-8"))
    assert choose() == stored["splits"]
