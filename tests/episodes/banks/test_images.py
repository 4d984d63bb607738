import pytest
import torch

from episodes import DataError, ImageBank


def bank(**changes: object) -> ImageBank:
    images = torch.arange(5 * 2 * 2, dtype=torch.uint8).view(5, 1, 2, 2)
    parts = {
        "name": "toy/train",
        "images": images,
        "class_names": ("a", "b"),
        "class_sizes": (2, 3),
        "groups": ("g", "h"),
    }
    return ImageBank(**{**parts, **changes})  # type: ignore[arg-type]


def test_labels_and_starts_follow_the_sizes() -> None:
    assert bank().labels.tolist() == [0, 0, 1, 1, 1]
    assert bank().class_starts.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(5, 1, 2, 2)}, "needs uint8 images"),
        ({"images": torch.zeros(5, 2, 2, 2, dtype=torch.uint8)}, "needs uint8 images"),
        ({"class_names": ("a", "a")}, "one unique name"),
        ({"class_names": ("a", "caf\udce9")}, r"has a class whose name is not UTF-8, 'caf\\udce9'; rename it"),
        ({"groups": ("g",)}, "one unique name"),
        ({"class_sizes": (2, 2)}, "add up to 4 do not fit 5 images"),
        ({"class_sizes": (0, 5)}, "do not fit"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        bank(**changes)


def test_from_labels_sorts_stably_and_leaves_empty_classes_out() -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    sorted_bank = ImageBank.from_labels("x", images, [2, 0, 2, 0], ["a", "none", "c"], ["g", "g", "h"])
    assert sorted_bank.class_names == ("a", "c")
    assert sorted_bank.groups == ("g", "h")
    assert sorted_bank.images.flatten().tolist() == [1, 3, 0, 2]


def test_select_keeps_each_class_with_its_images() -> None:
    chosen = bank().select("chosen", [1, 0])
    assert chosen.class_names == ("b", "a")
    assert chosen.class_sizes == (3, 2)
    assert torch.equal(chosen.images, bank().images[[2, 3, 4, 0, 1]])


def test_rotations_make_classes_of_their_own() -> None:
    turned = bank().with_rotations()
    assert turned.classes == 8
    assert turned.class_names[2:4] == ("a/rot090", "b/rot090")
    third = turned.images[turned.class_starts[2]]
    assert torch.equal(third, torch.rot90(bank().images[0], 1, (1, 2)))
    with pytest.raises(DataError, match="square"):
        bank(images=torch.zeros(5, 1, 2, 3, dtype=torch.uint8)).with_rotations()


@pytest.mark.parametrize(
    "change",
    [{"class_names": ("a", "c")}, {"class_sizes": (3, 2)}, {"groups": ("g", "g")}, {"images": "one pixel"}],
)
def test_fingerprint_sees_every_change(change: dict[str, object]) -> None:
    if change == {"images": "one pixel"}:
        images = bank().images.clone()
        images[4, 0, 1, 1] += 1
        change = {"images": images}
    assert bank(**change).fingerprint != bank().fingerprint
    assert bank(name="another").fingerprint == bank().fingerprint
