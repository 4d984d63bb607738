"""Recipes of tasks with a fixed number of classes and images: how an episode chooses them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from episodes.episode import EpisodeIndices
from episodes.errors import DataError, counted
from episodes.tasks.dirichlet import canonical, concentration, cut_share, shared
from episodes.tasks.task import Groups, padded
from episodes.uniforms import Uniforms, below, by_weight, distinct

if TYPE_CHECKING:
    from episodes.banks.bank import ItemBank, Kind

SWAPS = 8  # of labels, for each wrong one: enough to forget the order that they began in


@dataclass(frozen=True, repr=False)
class FixedTask:
    """N-way K-shot: every episode has the same numbers of classes and images, all drawn without replacement.

    Attributes:
        ways: classes in an episode, at least 2.
        shots: labelled (support) images per class, at least 1; with `imbalance` their mean.
        queries: images to be classified per class, at least 1; with `query_imbalance` their mean.
        groups: `any` classes; all `within` one group (an alphabet, a superclass), drawn first, each group alike; or
            each of another group (`across`).
        imbalance: `none`; `step`: half of the classes (rounded down) have 1 shot, the others share the rest evenly;
            `dirichlet`: each has 1, and the rest is shared by proportions from a flat Dirichlet distribution, as far as
            the images of each class of the episode go. The
            whole support stays ways * shots images, so that imbalance alone makes the difference, as in Ochal et al.
            2021 (section 3).
        label_noise: the fraction of support labels that are wrong, 0 to 0.5, spread evenly over the classes: so many
            images, rounded, exchange their labels at random among each other, so that each is wrong, and each label
            keeps its number of images.
        unlabelled: images per class in a pool without labels (Ren et al. 2018, section 3).
        distractors: further classes that only the pool has.
        query_imbalance: `none`: each class has as many queries; `dirichlet` or `dirichlet:ALPHA`: the ways * queries of
            a task are shared by proportions from a symmetric Dirichlet distribution, drawn for each task, so that a
            class may have none (Veilleux et al. 2021, where the concentration is 2, as it is here unless given). They
            are made whole by largest remainders, as in the paper's code. Differs from the paper: a class gives no more
            queries than it has beside support and pool, and the others share the rest (see
            `episodes.tasks.dirichlet.shared`); where every class has ways * queries, nothing differs.

    Of a bank that holds images out, these are the queries, and the others the support.

    Raises:
        DataError: if a number is out of its range, or two choices do not go together.
    """

    # Of words it is the recipe that `episodes.tasks.spans.with_words` makes of it.
    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", "entities", "questions")

    ways: int
    shots: int
    queries: int = 15
    groups: Groups = "any"
    imbalance: Literal["none", "step", "dirichlet"] = "none"
    label_noise: float = 0.0
    unlabelled: int = 0
    distractors: int = 0
    query_imbalance: str = "none"

    def __post_init__(self) -> None:
        least = {"ways": 2, "shots": 1, "queries": 1, "unlabelled": 0, "distractors": 0}
        for name, number in least.items():
            if getattr(self, name) < number:
                raise DataError(f"--{name} {getattr(self, name)} is too small; give at least {number}")
        for name, known in (("groups", ("any", "within", "across")), ("imbalance", ("none", "step", "dirichlet"))):
            if getattr(self, name) not in known:
                raise DataError(f"there is no --{name} {getattr(self, name)}; give {', '.join(known)}")
        try:
            object.__setattr__(self, "query_imbalance", canonical(self.query_imbalance))
        except DataError as error:
            raise DataError(f"there is no --query-imbalance {self.query_imbalance}; {error}") from None
        if not 0 <= self.label_noise <= 0.5:
            raise DataError(f"--label-noise {self.label_noise} is out of range; give 0 to 0.5")
        if self.imbalance != "none" and self.shots == 1:
            raise DataError(f"--imbalance {self.imbalance} has nothing to share with --shots 1; give at least 2")
        if self.label_noise and self.imbalance != "none":
            raise DataError("--label-noise does not go with --imbalance; leave one of them out")
        if self.distractors and not self.unlabelled:
            raise DataError(f"--distractors {self.distractors} needs --unlabelled: how many images of each class")
        noisy = self._noisy
        if noisy == 1 or (noisy % 2 and self.ways == 2) or (self.label_noise and not noisy):
            raise DataError(
                f"--label-noise {self.label_noise} is {noisy} of {self.ways * self.shots} support images, which cannot "
                "exchange their labels; give more shots or more noise"
            )

    def __repr__(self) -> str:
        """Only what differs from the defaults, so that a later field changes no episode of today's recipes."""
        named = [f"{name}={getattr(self, name)}" for name in ("ways", "shots", "queries")]
        return (
            f"{type(self).__name__}({', '.join(named + [f'{name}={value!r}' for name, value in self.variant.items()])})"
        )

    @property
    def variant(self) -> dict[str, object]:
        """What makes it other than plain N-way K-shot: its fields beyond the three numbers that are not the default."""
        others = [item for item in fields(self) if item.name not in ("ways", "shots", "queries")]
        return {item.name: getattr(self, item.name) for item in others if getattr(self, item.name) != item.default}

    @property
    def images(self) -> int:
        """Images in an episode: support, queries and pool."""
        return self.ways * (self.shots + self.queries) + (self.ways + self.distractors) * self.unlabelled

    @property
    def one_shape(self) -> bool:
        return True

    def check(self, bank: ItemBank, prefix: str = "--") -> None:
        wanted = self.ways + self.distractors
        also = f" and {prefix}distractors {self.distractors}" if self.distractors else ""
        self._check_classes(bank, wanted, prefix, f"{prefix}ways {self.ways}{also}")
        if bank.held_out:
            self._check_held_out(bank, prefix)
        smallest = min(range(bank.classes), key=bank.class_sizes.__getitem__)
        size = bank.class_sizes[smallest]
        shots = self._most_shots if self.imbalance == "step" else self.shots
        if shots + self.queries + self.unlabelled > size:
            also = f", {prefix}unlabelled {self.unlabelled}" if self.unlabelled else ""
            raise DataError(
                f"'{bank.name}' has {counted(size, bank.noun)} of class '{bank.class_names[smallest]}'; "
                f"{prefix}shots {self.shots}{also} and {prefix}queries {self.queries} need "
                f"{shots + self.queries + self.unlabelled}: ask for fewer, or leave it out"
            )
        left = int(bank.sizes.max()) - self.queries - self.unlabelled
        if self.imbalance == "dirichlet" and left <= self.shots:
            raise DataError(
                f"{prefix}imbalance dirichlet has no room: no class of '{bank.name}' has more than {left} {bank.noun} "
                f"beside {self.queries} queries, and tasks would have {self.shots} of each class; lower {prefix}queries"
            )
        shots = self.shots if self.imbalance == "none" else 1
        left = int(bank.sizes.max()) - shots - self.unlabelled
        if self.query_imbalance != "none" and left <= self.queries:
            raise DataError(
                f"{prefix}query-imbalance {self.query_imbalance} has no room: no class of '{bank.name}' has more than "
                f"{left} {bank.noun} beside its support and pool, and tasks would have {self.queries} queries of each "
                f"class; lower {prefix}queries"
            )

    def cut_shares(self, bank: ItemBank) -> dict[str, float]:
        """In how many of the tasks, from 0 to 1, a class has too few items for each Dirichlet imbalance that is on."""
        most, shares = int(bank.sizes.max()) - self.unlabelled, {}
        if self.imbalance == "dirichlet":
            rest = self.ways * (self.shots - 1)
            shares["imbalance"] = cut_share(1.0, self.ways, rest, most - self.queries - 1)
        if alpha := concentration(self.query_imbalance):
            shots = self.shots if self.imbalance == "none" else 1
            shares["query-imbalance"] = cut_share(alpha, self.ways, self.ways * self.queries, most - shots)
        return shares

    def _check_held_out(self, bank: ItemBank, prefix: str) -> None:
        """Raise DataError unless it is a task of as many shots and queries for each class, and there are so many."""
        for name in ("imbalance", "unlabelled", "query_imbalance"):
            if name in self.variant:
                bank.refuse_held_out(f"{prefix}{name.replace('_', '-')}")
        for name, asked, sizes in (
            ("shots", self.shots, bank.free),
            ("queries", self.queries, bank.sizes - bank.free),
        ):
            fewest = int(sizes.argmin())
            if sizes[fewest] < asked:
                found = counted(int(sizes[fewest]), bank.noun)
                raise DataError(
                    f"'{bank.name}' has {found} of class '{bank.class_names[fewest]}' for {prefix}{name} "
                    f"{asked}: ask for fewer, or leave it out"
                )

    def _check_classes(self, bank: ItemBank, wanted: int, prefix: str, asked: str) -> None:
        if self.groups == "any":
            if wanted > bank.classes:
                raise DataError(
                    f"'{bank.name}' has {counted(bank.classes, 'classes')}; {asked} needs at least {wanted}: ask "
                    "for fewer, or give a --split with more in this part, such as a .json file of your own"
                )
            return
        sizes = [len(members) for members in bank.group_members.values()]
        if self.groups == "across" and wanted > len(sizes):
            raise DataError(
                f"'{bank.name}' has {counted(len(sizes), 'groups')}; {asked} with {prefix}groups across needs {wanted}"
                ": ask for fewer"
            )
        if self.groups == "within" and wanted > max(sizes):
            raise DataError(
                f"the largest group of '{bank.name}' has {counted(max(sizes), 'classes')}; {asked} with {prefix}groups "
                f"within needs {wanted}: ask for fewer"
            )

    def numbers(self, bank: ItemBank) -> int:
        classes = self.ways + self.distractors
        choice = {"any": classes, "within": 1 + classes, "across": 2 * classes}[self.groups]
        shots = {"none": 0, "step": self.ways, "dirichlet": self.ways * self.shots}[self.imbalance]
        noise = self.ways + 2 * SWAPS * self._noisy if self.label_noise else 0
        queries = 0 if self.query_imbalance == "none" else self.ways
        return choice + classes * self._drawn(bank) + shots + noise + queries

    def draw(self, bank: ItemBank, uniforms: Uniforms) -> EpisodeIndices:
        episodes, wanted, drawn = len(uniforms), self.ways + self.distractors, self._drawn(bank)
        classes = self._choose_classes(bank, uniforms)
        within = self._places(bank, classes.ravel(), uniforms.take(wanted * drawn).reshape(-1, drawn))
        images = bank.class_starts[classes][..., None] + within.reshape(episodes, wanted, drawn)
        own, labels = images[:, : self.ways], np.arange(self.ways)
        most = min(self._most_shots, int(bank.sizes.max()) - self.queries - self.unlabelled)
        caps = np.minimum(most, bank.sizes[classes] - self.queries - self.unlabelled)  # support images of each class
        shots = np.full((episodes, self.ways), most)
        if self.imbalance == "none":
            support = own[..., :most].reshape(episodes, -1)
            support_labels = np.broadcast_to(labels.repeat(most), support.shape)
        else:
            shots = self._shots(uniforms, caps[:, : self.ways])
            support, support_labels = _runs(own, np.zeros_like(shots), shots)
        if self.label_noise:
            support_labels = self._exchange(support_labels, uniforms)
        alpha = concentration(self.query_imbalance)
        if alpha is None:
            rest = np.take_along_axis(images, caps[..., None] + np.arange(self.queries + self.unlabelled), 2)
            query = rest[:, : self.ways, : self.queries].reshape(episodes, -1)
            query_labels = np.broadcast_to(labels.repeat(self.queries), query.shape)
            unlabelled = rest[..., self.queries :].reshape(episodes, -1)
        else:
            taken = np.pad(shots, ((0, 0), (0, self.distractors)))  # which have no support
            pool = np.take_along_axis(images, taken[..., None] + np.arange(self.unlabelled), 2)
            unlabelled, taken = pool.reshape(episodes, -1), shots + self.unlabelled
            left = bank.sizes[classes[:, : self.ways]] - taken
            counts = shared(uniforms.take(self.ways), alpha, self.ways * self.queries, left)
            query, query_labels = _runs(own, taken, counts)
        return EpisodeIndices(classes[:, : self.ways], support, support_labels, query, query_labels, unlabelled)

    @property
    def _most_shots(self) -> int:
        """The largest number of shots that a class may get."""
        if self.imbalance == "step":
            return -(-(self.ways * self.shots - self.ways // 2) // (self.ways - self.ways // 2))
        return self.shots if self.imbalance == "none" else self.ways * (self.shots - 1) + 1

    @property
    def _noisy(self) -> int:
        return round(self.label_noise * self.ways * self.shots)

    def _drawn(self, bank: ItemBank) -> int:
        """Images drawn of each class; those that it has, if it has fewer."""
        queries = self.queries if self.query_imbalance == "none" else self.ways * self.queries
        return min(self._most_shots + queries + self.unlabelled, int(bank.sizes.max()))

    def _places(self, bank: ItemBank, classes: NDArray[np.int64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Distinct images of each class `[n, drawn]`, by their places in it, `uniform` being as large.

        If any are held out, queries are of those, and the support of the others.
        """
        sizes, free = bank.sizes[classes], bank.free[classes]
        if not bank.held_out:
            return distinct(uniform, sizes)
        held = free[:, None] + distinct(uniform[:, self.shots :], sizes - free)
        return np.concatenate([distinct(uniform[:, : self.shots], free), held], axis=1)

    def _choose_classes(self, bank: ItemBank, uniforms: Uniforms) -> NDArray[np.int64]:
        wanted, episodes = self.ways + self.distractors, len(uniforms)
        if self.groups == "any":
            return distinct(uniforms.take(wanted), np.full(episodes, bank.classes))
        groups = list(bank.group_members.values())
        if self.groups == "within":
            groups = [members for members in groups if len(members) >= wanted]
        table, sizes = padded(groups)
        if self.groups == "within":
            chosen = below(uniforms.take(1)[:, 0], len(groups))
            return table[chosen[:, None], distinct(uniforms.take(wanted), sizes[chosen])]
        chosen = distinct(uniforms.take(wanted), np.full(episodes, len(groups)))
        return table[chosen, below(uniforms.take(wanted), sizes[chosen])]

    def _shots(self, uniforms: Uniforms, caps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Support images of each class, `[episodes, ways]`, each 1 to its cap in `caps`, in sum ways * shots."""
        ways, rows = self.ways, np.arange(len(uniforms))
        if self.imbalance == "step":
            few, rest = ways // 2, ways * self.shots - ways // 2
            shares = [1] * few + [rest // (ways - few) + (n < rest % (ways - few)) for n in range(ways - few)]
            return np.asarray(shares)[np.argsort(uniforms.take(ways), axis=1)]
        proportions = -np.log1p(-uniforms.take(ways))  # exponential variates, which a flat Dirichlet normalises
        shots = np.ones((len(rows), ways), dtype=np.int64)
        for uniform in uniforms.take(ways * (self.shots - 1)).T:
            shots[rows, by_weight(uniform, proportions * (shots < caps))] += 1
        return shots

    def _exchange(self, labels: NDArray[np.int64], uniforms: Uniforms) -> NDArray[np.int64]:
        """The labels with those of the first images of each class exchanged at random, none left right.

        They begin as those of the next class in a random circle, and random swaps that leave none right follow.
        """
        noisy, rows = self._noisy, np.arange(len(labels))
        circle = np.argsort(uniforms.take(self.ways), axis=1)
        shares = [noisy // self.ways + (place < noisy % self.ways) for place in range(self.ways)]
        places = np.concatenate([circle[:, [p]] * self.shots + np.arange(share) for p, share in enumerate(shares)], 1)
        true = np.take_along_axis(labels, places, 1)
        given = np.roll(true, max(shares), axis=1)
        pairs = below(uniforms.take(2 * SWAPS * noisy), noisy).reshape(len(labels), -1, 2)
        for one, other in pairs.transpose(1, 2, 0):
            first, second = given[rows, one], given[rows, other]
            fits = (first != true[rows, other]) & (second != true[rows, one])
            given[rows, one] = np.where(fits, second, first)
            given[rows, other] = np.where(fits, first, second)
        changed = labels.copy()
        np.put_along_axis(changed, places, given, 1)
        return changed


def _runs(
    images: NDArray[np.int64], first: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each class's images `[episodes, ways, drawn]` so many from the place `first` on, and their labels.

    First and counts are `[episodes, ways]`; the counts of every episode have the same sum, which is the results' width.
    """
    places = np.arange(images.shape[2]) - first[..., None]
    chosen = (places >= 0) & (places < counts[..., None])
    labels = np.broadcast_to(np.arange(images.shape[1])[:, None], chosen.shape)
    return images[chosen].reshape(len(images), -1), labels[chosen].reshape(len(images), -1)
