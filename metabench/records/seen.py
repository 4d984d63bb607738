"""Whether the classes of a test were in the data that outside weights were trained on.

A network that was shown a class knows it before its first support image, so that few shots measure little. It is told
by names: `yes` where a test class has a name or a WordNet number of the outside data, `no` where none can be in it, and
`unknown` otherwise, as a name that is not on a list may be another word for one that is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Literal

from episodes.datasets.splitting import published

Seen = Literal["yes", "no", "unknown"]

# Characters of scripts, of which ImageNet-1k has no class.
NONE_OF = {"imagenet-1k": ("glyphs", "omniglot")}


def classes_seen(sources: Iterable[str | None], dataset: str, names: Iterable[str]) -> Seen:
    """Whether classes were in any of some outside data.

    Args:
        sources: the data by name, those of `NONE_OF`; None for data of which no list is there.
        dataset: the name of the dataset that the classes are of.
        names: the classes' names and those of their groups, words or WordNet numbers.
    """
    asked, found = {_plain(word) for name in names for word in name.split(",")}, set[Seen]()
    for source in sources:
        if source is None:
            found.add("unknown")
        elif set(dataset.split("+")) <= set(NONE_OF[source]):
            found.add("no")
        else:
            found.add("yes" if asked & _words(source) else "unknown")
    return surest(found)


def surest(found: Collection[str]) -> Seen:
    """Of what several data say: `yes` if one does, `no` if all do."""
    return "yes" if "yes" in found else "no" if all(each == "no" for each in found) else "unknown"


@cache
def _words(source: str) -> frozenset[str]:
    """All names of the classes of outside data, and their numbers."""
    classes: dict[str, str] = published(source)["classes"]
    return frozenset({*classes, *(_plain(word) for words in classes.values() for word in words.split(","))})


def _plain(name: str) -> str:
    """A name without what writers differ in: capitals, hyphens, underscores, spaces, and folders before it."""
    return " ".join(name.rpartition("/")[2].casefold().replace("_", " ").replace("-", " ").split())
