"""Whether test classes were in outside data is told by names and numbers, and not guessed."""

import pytest
from torchvision import models

from episodes.datasets.splitting import published
from metabench.records.seen import _plain, _words, classes_seen, surest

IMAGENET = "imagenet-1k"


@pytest.mark.parametrize(
    ("sources", "dataset", "names", "expected"),
    [
        ((), "mini-imagenet", ["lion"], "no"),
        ((None,), "mini-imagenet", ["lion"], "unknown"),
        ((IMAGENET,), "mini-imagenet", ["lion"], "yes"),
        ((IMAGENET,), "mine", ["cat", "chicken"], "unknown"),
        ((IMAGENET,), "mine", ["cat", "n02129165"], "yes"),
        ((IMAGENET,), "mine", ["photos/Golden-Retriever"], "yes"),
        ((IMAGENET,), "mine", ["house finch, linnet, Carpodacus mexicanus"], "yes"),
        ((IMAGENET,), "omniglot", ["Latin/character01"], "no"),
        ((IMAGENET,), "omniglot+glyphs", ["Latin/character01"], "no"),
        ((IMAGENET,), "omniglot+mine", ["Latin/character01"], "unknown"),
        ((IMAGENET, None), "omniglot", ["Latin/character01"], "unknown"),
        ((None, IMAGENET), "mine", ["lion"], "yes"),
    ],
)
def test_a_match_is_yes_and_a_name_that_is_not_listed_proves_nothing(
    sources: tuple[str | None, ...], dataset: str, names: list[str], expected: str
) -> None:
    assert classes_seen(sources, dataset, names) == expected


def test_the_list_is_that_of_imagenet_1k() -> None:
    classes = published(IMAGENET)["classes"]
    assert len(classes) == 1000
    assert list(classes) == sorted(classes)  # as the classifiers of networks are ordered
    theirs = models.ResNet18_Weights.DEFAULT.meta["categories"]
    # torchvision has its own names for two pairs of classes of one name.
    assert {name for name in theirs if _plain(name) not in _words(IMAGENET)} == {"crane bird", "maillot tank suit"}


def test_every_class_of_mini_imagenet_is_on_it() -> None:
    names = published("mini-imagenet")["names"]
    assert set(names) <= _words(IMAGENET)
    assert {_plain(name) for name in names.values()} <= _words(IMAGENET)


def test_several_data_together() -> None:
    assert surest([]) == surest(["no", "no"]) == "no"
    assert surest(["no", "unknown"]) == "unknown"
    assert surest(["unknown", "yes"]) == "yes"
