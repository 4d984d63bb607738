import gzip
import sys
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from episodes import DataError, DataOptions, Dataset, EpisodeSampler, FixedTask, ImageBank, load
from episodes.dataset import PARTS
from episodes.datasets.images import emoji as code
from episodes.datasets.images.emoji_drawings import Icon, draw, read_icons
from episodes.datasets.splitting import published
from tests.made_emoji import NAMES, STYLES, colour, icons, make_emoji, packed

ANIMALS = ("cat", "ewe", "boar", "dog", "shark", "lion", "dolphin", "duck", "chicken")
FILE = "iconify-json-noto-1.0.0.tgz"


def banks(dataset: Dataset) -> list[ImageBank]:
    return [getattr(dataset, part) for part in PARTS]


def drawings(bank: ImageBank, name: str) -> torch.Tensor:
    number = bank.class_names.index(name)
    return bank.images[bank.class_starts[number] :][: bank.class_sizes[number]]


def styles(images: torch.Tensor) -> list[str]:
    """Of made drawings, by the red in their middle."""
    middle = images.shape[-1] // 2
    return [STYLES[int(red) // 20 - 1] for red in images[:, 0, middle, middle]]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with made packages of eight things in six hands' styles and one that repeats another's; no cache."""
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    data = make_emoji(tmp_path / "emoji")
    monkeypatch.setattr(code, "published", lambda file: data)
    return tmp_path


def load_small(root: Path, name: str = "emoji", **options: Any) -> Dataset[ImageBank]:
    return load(name, DataOptions(**{"data_root": root, "image_size": 24, **options}))


def test_the_pixels_are_those_of_every_machine(emoji: Dataset[ImageBank]) -> None:
    """The stored fingerprints hold; a machine where they do not would warn, and warnings fail."""
    assert [bank.classes for bank in banks(emoji)] == [651, 181, 244]
    assert {size for bank in banks(emoji) for size in bank.class_sizes} == {6, 7, 8, 9}
    assert emoji.test.item_shape == (3, 32, 32)
    assert (emoji.split, emoji.queries) == ("subgroups", 5)


def test_a_thing_has_one_drawing_of_a_hand_and_each_is_another(emoji: Dataset[ImageBank]) -> None:
    for bank in banks(emoji):
        assert len(set(bank.item_digests())) == len(bank)
        assert (bank.images.flatten(1).float().mean(1) < 254).all()  # something is seen on white
    white = (emoji.train.images == 255).all(1).float().mean()
    assert 0.4 < white < 0.7


def test_animals_are_there_by_both_of_their_names(emoji: Dataset[ImageBank]) -> None:
    names = {name for bank in banks(emoji) for name in bank.class_names}
    assert names.issuperset(ANIMALS)
    assert emoji.synonyms["sheep"] == "ewe"
    assert emoji.synonyms["lion-face"] == "lion"
    assert not names & emoji.synonyms.keys()
    assert names.issuperset(emoji.synonyms.values())


def test_whole_subgroups_are_in_one_part() -> None:
    data = published("emoji")
    assert sorted(name for part in PARTS for name in data[part]) == sorted(data["groups"])
    assert data["source"]
    codes = [about.split()[0] for part in PARTS for members in data[part].values() for about in members.values()]
    assert len(set(codes)) == len(codes) == 1076
    assert unicodedata.name(chr(int(data["train"]["animal-mammal"]["ewe"].split()[0], 16))) == "SHEEP"
    letters = [about.split()[1] for part in PARTS for members in data[part].values() for about in members.values()]
    assert min(len(set(each) - set("jk")) for each in letters) == 6
    assert all(one < other for each in letters for one, other in pairwise(each))


def test_across_styles_the_queries_have_outlines_or_shades(emoji: Dataset[ImageBank], data_root: Path) -> None:
    across = load("emoji", DataOptions(data_root=data_root, across="styles"))
    data, flat, outlined = published("emoji"), set("abcdi"), set("efgh")  # as in the order of `packages`
    assert [list(data["packages"])[ord(each) - 97] for each in sorted(outlined)] == list(code.OUTLINED)
    for part in PARTS:
        bank, plain = getattr(across, part), getattr(emoji, part)
        letters = [about.split()[1] for members in data[part].values() for about in members.values()]
        assert list(bank.held_out) == [len(outlined & set(each)) for each in letters]
        assert list(bank.free) == [len(flat & set(each)) for each in letters]
        hands = [letter for each in letters for letter in each if letter in flat | outlined]
        shaded = torch.tensor([letter in outlined for letter in hands])
        assert torch.equal(bank.images[torch.from_numpy(bank.held_out_items)], plain.images[shaded])
    assert across.queries == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_the_drawings_lie_by_thing_and_style_in_the_middle_of_white(small: Path, channels: int) -> None:
    dataset = load_small(small, channels=channels)
    assert [bank.class_names for bank in banks(dataset)] == [tuple(NAMES[:3]), tuple(NAMES[3:5]), tuple(NAMES[5:])]
    assert dataset.test.groups == ("animal", "plant", "sheep")
    assert dataset.test.item_shape == (channels, 24, 24)
    ewe = drawings(dataset.test, "ewe")  # which noto calls sheep
    for image, style in zip(ewe, STYLES[:6], strict=True):
        red, green, blue = colour(style, "ewe")
        expected = torch.full((24, 24, 3), 255)
        expected[6:18, 6:18] = torch.tensor([red, green, blue])
        if channels == 1:
            expected = (expected.double() @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.double)).round()[..., None]
        assert torch.equal(image, expected.permute(2, 0, 1).to(torch.uint8))
    assert dataset.queries == 5
    assert dataset.synonyms == {"sheep": "ewe"}


def test_all_styles_have_those_that_repeat_a_hand_too(small: Path) -> None:
    assert styles(drawings(load_small(small, "emoji:all-styles").test, "ewe")) == list(STYLES)


def test_augmented_drawings_are_of_one_side(small: Path) -> None:
    dataset = load_small(small, "emoji:augmented")
    lots = set()
    for bank in banks(dataset):
        assert (set(bank.class_sizes), set(bank.held_out), dataset.queries) == ({30}, {15}, 15)
        for name in bank.class_names:
            images = drawings(bank, name)
            support, queries = set(styles(images[:15])), set(styles(images[15:]))
            assert (len(support), len(queries), support & queries) == (3, 3, set())
            lots.add(frozenset(queries))
    assert len(lots) > 3
    drawn = EpisodeSampler(dataset.test, FixedTask(3, 15, 15), seed=0).batch(range(20))
    for episode in range(20):
        for label in range(3):
            support = drawn.support[episode][drawn.support_labels[episode] == label]
            queries = drawn.query[episode][drawn.query_labels[episode] == label]
            assert not set(styles(support)) & set(styles(queries))


def test_drawings_are_not_for_queries_both_by_lot_and_by_style(small: Path) -> None:
    with pytest.raises(
        DataError, match="emoji:augmented has its drawings for queries by lot, not --across styles; leave"
    ):
        load_small(small, "emoji:augmented", across="styles")


def test_augmented_drawings_are_turned_shrunk_and_moved_a_little(small: Path) -> None:
    plain, bank = load_small(small).test, load_small(small, "emoji:augmented").test
    for name in bank.class_names:
        versions = drawings(bank, name).view(6, 5, 3, 24, 24)
        as_is = {image.numpy().tobytes() for image in drawings(plain, name)}
        assert {image.numpy().tobytes() for image in versions[:, 0]} == as_is
        assert all(len(torch.unique(each.flatten(1), dim=0)) == 5 for each in versions)
        inked = (255 - versions[:, 1:, 2].double()).sum((-1, -2)) / 255  # blue is 0 in a drawing
        assert (inked > 0.63 * 144).all()  # shrunk to 0.8 of its sides at most
        assert (inked < 1.01 * 144).all()
        rows = torch.arange(24) + 0.5
        middles = [((255 - versions[:, 1:, 2].double()).sum(axis) @ rows.double()) / 255 / inked for axis in (-1, -2)]
        assert all(((middle - 12).abs() < 0.05 * 24 + 0.1).all() for middle in middles)
        assert torch.stack(middles).std() > 0.3


def test_backgrounds_are_light_and_of_another_colour_each(small: Path) -> None:
    images = load_small(small, "emoji:random-background").test.images
    grounds = images[:, :, 0, 0]
    assert len(torch.unique(grounds, dim=0)) == len(grounds)
    assert grounds.min() >= 128
    assert (images[:, :, 3, 20] == grounds).all()
    assert torch.equal(images[:, :, 12, 12], load_small(small).test.images[:, :, 12, 12])


def test_a_picture_shows_a_drawing_s_own_box_as_large_as_fits() -> None:
    mark = '<path fill="#ff0000" d="M10 20h5v5h-5z"/>'
    image = draw(Icon(mark, (10, 20, 10, 5)), 20)
    expected = np.full((20, 20, 3), 255)
    expected[5:15, :10] = (255, 0, 0)
    assert np.array_equal(image, expected)
    content = {"width": 8, "height": 9, "icons": {"a": {"body": mark}, "b": {"body": "", "left": 3, "width": 5}}}
    assert read_icons(content) == {"a": Icon(mark, (0, 0, 8, 9)), "b": Icon("", (3, 0, 5, 9))}


def test_the_second_load_reads_the_cache(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_small(small)
    monkeypatch.delattr(code, "render")
    assert load_small(small).test.fingerprint == first.test.fingerprint


def test_pictures_of_another_renderer_cause_a_warning(small: Path) -> None:
    with pytest.warns(UserWarning, match=r"this machine renders 'emoji/\w+' a little differently") as warned:
        load_small(small, image_size=None)
    assert len(warned) == 3


def test_other_splits_can_be_had(small: Path) -> None:
    assert load_small(small, split="seed=1").split == "seed=1"
    with pytest.raises(DataError, match="'emoji' has no split 'lake'; give seed=N"):
        load_small(small, split="lake")


def altered(body: str) -> bytes:
    """A package that is well packed, one of whose drawings is another."""
    content = icons("noto")
    content["icons"]["cat"]["body"] = body
    return packed(icons=content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        packed(icons=icons("noto"))[:-40],
        gzip.compress(bytes(10**7)),
        packed(icons={"prefix": "noto"}),
        packed(other={}),
        altered('<image href="file:///etc/passwd" width="32" height="32"/>'),
        altered('<use href="https://example.org/a.svg#a"/>'),
        altered('<rect width="1e30" height="1e30" filter="url(#f)"/>'),
        altered("<g>" * 100_000),
    ],
    ids=["empty", "text", "cut", "bomb", "no icons", "no icons.json", "file", "address", "huge", "deep"],
)
def test_a_package_that_is_not_the_published_one_is_refused_in_one_line(small: Path, content: bytes) -> None:
    path = small / "emoji" / FILE
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_small(small)
    said = str(error.value)
    assert said.startswith(f"'{path}' is not the package that was published (its SHA-256 begins with ")
    assert said.endswith("; remove it, and run there: npm pack @iconify-json/noto@1.0.0")
    assert "\n" not in said


def test_missing_packages_are_named_with_the_command_that_gets_them(small: Path) -> None:
    folder = small / "emoji"
    (folder / FILE).rename(folder / "iconify-json-noto-1.0.1.tgz")
    has = "has iconify-json-noto-1.0.1.tgz, another version; run there: npm pack @iconify-json/noto@1.0.0"
    with pytest.raises(DataError, match=f"^emoji needs {FILE} in '{folder}', which {has}$"):
        load_small(small)
    (folder / "iconify-json-noto-1.0.1.tgz").unlink()
    (folder / "iconify-json-noto-v1-1.0.0.tgz").unlink()
    (folder / "iconify-json-noto-v1-1.0.0.tgz").mkdir()
    both = "npm pack @iconify-json/noto@1.0.0 @iconify-json/noto-v1@1.0.0"
    with pytest.raises(DataError, match=f"^emoji needs {FILE} and 1 more packages in '{folder}'; run there: {both}$"):
        load_small(small)
    (small / "no").mkdir()
    with pytest.raises(DataError, match=f"and 5 more packages in '{small / 'no' / 'emoji'}'; run there: npm pack @"):
        load_small(small / "no")
    with pytest.raises(DataError, match=f"--data-root '{folder / FILE}' is not a folder; name one that holds"):
        load_small(folder / FILE)


def test_only_the_variant_that_reads_them_needs_the_styles_that_repeat_others(small: Path) -> None:
    (small / "emoji" / "iconify-json-emojione-monotone-1.0.0.tgz").unlink()
    load_small(small)
    with pytest.raises(DataError, match="emoji:all-styles needs iconify-json-emojione-monotone-"):
        load_small(small, "emoji:all-styles")


def test_packages_may_lie_in_the_data_root_itself(small: Path) -> None:
    assert load_small(small / "emoji").test.fingerprint == load_small(small).test.fingerprint


def test_without_the_renderer_the_extra_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(
        DataError, match=r"^dataset 'emoji' needs the package resvg_py; pip install \"metabench\[emoji]\""
    ):
        load_small(small)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: load("emoji:augmentd"), "there is no dataset 'emoji:augmentd'; did you mean 'emoji:augmented'?"),
        (lambda: load("emoji:"), "there is no dataset 'emoji:'; did you mean 'emoji'?"),
        (lambda: load("emoji:noto"), "there is no dataset 'emoji:noto'; did you mean 'emoji'?"),
        (
            lambda: load("glyphs", DataOptions(across="styles")),
            "--across styles does not go with --dataset glyphs; leave",
        ),
        (
            lambda: load("emoji", DataOptions(across="colours")),
            "--across colours does not go with --dataset emoji; give styles",
        ),
    ],
)
def test_what_there_is_not_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError) as error:
        ask()
    assert str(error.value).startswith(message)
