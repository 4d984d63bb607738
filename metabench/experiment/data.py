"""Which images a run is about, and which tasks it is scored on."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import episodes
from episodes.banks.bank import SPANS
from episodes.dataset import Dataset
from episodes.datasets import draws_of, kind_of
from episodes.datasets.all_way import all_way
from episodes.datasets.combine import cross_domain, named_tasks
from episodes.datasets.text.spans import all_way_spans
from episodes.errors import nearest
from episodes.files.remembered import last_place, with_places
from episodes.sampling.manifest import Manifest, read_manifest, write_manifest
from episodes.sampling.sampler import EpisodeList, sampler
from episodes.sampling.source import BankSource, EpisodeSource
from episodes.tasks.all_way import AllWayTask
from episodes.tasks.disjoint import disjoint_episodes
from episodes.tasks.fixed import FixedTask
from metabench.config import DATA, NUMBERS, RECIPE, SETTINGS, RunConfig, flat, make_config
from metabench.errors import UsageError
from metabench.stats.stopping import MOST

VALIDATION_SEED, SELECTION_SEED = 0, 1
EPISODES = 600  # test tasks, where nothing else is asked for; what papers report on
MOST_CUT = 0.2  # of tasks, before a run says that they are less uneven than was asked for
DRAWS = 10  # of `--task all-way`, likewise


def load_data(config: RunConfig) -> tuple[RunConfig, Dataset[Any]]:
    """The banks that the configuration asks for, and the configuration with what follows from their kind.

    They are of one dataset, of two, or of named classes; or functions.

    Raises:
        UsageError: other tasks are asked for than those that were published with the dataset.
        DataError: a dataset cannot be loaded, or test classes are in training.
    """
    config = for_words(config)
    if config.task.task == "all-way":
        return _all_way(config)
    dataset = episodes.load(config.data.dataset, config.data.options)
    config = config.on(dataset.kind)
    if config.data.test_dataset:
        options = replace(config.data.options, split=config.data.test_split)
        dataset = cross_domain(dataset, episodes.load(config.data.test_dataset, options))
    if dataset.test_episodes:
        _refuse_other_tasks(config, dataset)
    config = _with_own(config, dataset)
    if config.task.train_task or config.task.test_task:
        dataset = named_tasks(dataset, config.task.train_task, config.task.test_task)
    if config.data.across:  # which is of test and validation tasks, as all that makes them hard
        dataset = replace(dataset, train=replace(dataset.train, held_out=()))
    return config, dataset


def _with_own(config: RunConfig, dataset: Dataset[Any]) -> RunConfig:
    """With the dataset's own numbers of shots and queries where none are given, and its own names in named tasks."""
    own: dict[str, Any] = {
        kind: tuple(tuple(dataset.synonyms.get(name, name) for name in names) for names in config[kind])
        for kind in ("train_task", "test_task")
        if config[kind]
    }
    own |= {
        name: number
        for name, number in {"shots": dataset.shots, "queries": dataset.queries}.items()
        if number and name not in config.given
    }
    return config.changed(**own)


def for_words(config: RunConfig) -> RunConfig:
    """The configuration with what follows from data of words, whose kind is known before they are loaded.

    Raises:
        UsageError: a setting that does not go with them.
        DataError: unknown dataset.
    """
    kind = kind_of(config.data.dataset)
    return config.on(kind) if kind in SPANS else config


def config_here(recorded: dict[str, Any], **settings: Any) -> RunConfig:
    """A record's settings on this machine: with the places of its folders, unless `data_root` says where those of data
    are.

    Args:
        recorded: its `config`.
        settings: to change.

    Raises:
        UsageError: as `metabench.config.make_config`.
    """
    places, recorded = {}, flat(recorded)
    if not settings.get("data_root"):
        names = {name: recorded.get(name) for name in ("dataset", "test_dataset")}
        places = {name: with_places(value) for name, value in names.items() if isinstance(value, str)}
    options = {name: _with_folder(value) for name, value in recorded.get("options", {}).items()}
    return make_config(**{**recorded, **places, "options": options, **settings})


def _with_folder(value: Any) -> Any:
    """A backbone's name as a record has it, with the folder that it was last read from on this machine, if any."""
    name, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    folder = last_place(value) if colon and rest and not Path(rest).expanduser().is_dir() else None
    return f"{name}:{folder}" if folder and folder.is_dir() else value


def with_frozen(config: RunConfig) -> tuple[RunConfig, Manifest | None]:
    """The configuration with the settings of its file of frozen tasks, and the file.

    What was given for the data stays, since the same images may have another name elsewhere.

    Raises:
        UsageError: another recipe was given than the file's.
        DataError: the file cannot be read.
    """
    if config.test.tasks is None:
        return config, None
    manifest = read_manifest(config.test.tasks)
    if not manifest.settings.keys() <= {*DATA, *NUMBERS, *RECIPE}:
        raise UsageError(f"'{config.test.tasks}' sets more than data and tasks; fetch it from a source you trust")
    given = config.given
    frozen = make_config(**manifest.settings)
    for name in (*NUMBERS, *RECIPE):
        if name in given and given[name] != frozen[name]:
            raise UsageError(
                f"--{name.replace('_', '-')} {given[name]} does not fit the tasks in '{config.test.tasks}', which have "
                f"{frozen[name]}; leave it out"
            )
    return make_config(**{**manifest.settings, **given}), manifest


def scored_tasks(
    config: RunConfig, dataset: Dataset[Any], manifest: Manifest | None, device: torch.device | str
) -> tuple[RunConfig, EpisodeSource]:
    """Where test tasks come from, and the configuration with their numbers filled in.

    Raises:
        UsageError: more tasks are asked for than a list has, or other ways, shots or queries than the published ones.
        DataError: the bank cannot give the tasks.
    """
    source: EpisodeSource
    recipe = config.test_recipe(dataset.kind)
    if manifest:
        source = manifest.source(dataset.test, device)
    elif config.test.disjoint and isinstance(recipe, FixedTask):
        source = EpisodeList(dataset.test, disjoint_episodes(dataset.test, recipe, config.test.test_seed), device)
    elif dataset.test_episodes:
        config = _published(config, dataset)
        source = EpisodeList(dataset.test, dataset.test_episodes, device)
    else:
        source = sampler(dataset.test, recipe, config.test.test_seed, device)
    if isinstance(recipe, FixedTask):
        _warn_of_cuts(recipe, dataset.test)
    most = len(source) if isinstance(source, EpisodeList) else None
    if isinstance(recipe, AllWayTask) and recipe.has_one_draw(dataset.test):
        _refuse_other_draws(config, dataset)
        most = 1
    elif config.test.episodes == 1:
        raise UsageError("--episodes 1 gives no interval over test tasks; give at least 2")
    if most is not None and config.test.episodes is not None and config.test.episodes > most:
        raise UsageError(f"--episodes {config.test.episodes} is too many: there are {most} such tasks; leave it out")
    draws = DRAWS if config.task.task == "all-way" else EPISODES
    unlimited = MOST if config.test.until_interval else draws
    return config.changed(episodes=config.test.episodes or most or unlimited), source


def _warn_of_cuts(recipe: FixedTask, bank: Any) -> None:
    """Say so where many tasks are less uneven than was asked for, since classes have too few items."""
    for name, share in recipe.cut_shares(bank).items():
        if share > MOST_CUT:
            warnings.warn(
                f"{share:.0%} of tasks are less uneven than --{name} says: no class of '{bank.name}' has more than "
                f"{int(bank.sizes.max())} {bank.noun}; a lower --queries leaves them room",
                stacklevel=4,
            )


def validation_tasks(
    config: RunConfig, dataset: Dataset[Any], device: torch.device | str, seed: int = VALIDATION_SEED
) -> EpisodeSource:
    """Where validation tasks come from: the same for all runs, so which tasks test a learner has no part in it.

    All-way ones hold a third of the training items out for queries, and have as many shots as are left, if the test
    tasks ask for more.

    Raises:
        DataError: the bank cannot give the tasks.
    """
    recipe, bank = config.validation_recipe(dataset.kind), dataset.validation
    if isinstance(recipe, AllWayTask):
        recipe = replace(recipe, shots=min(recipe.shots, int((bank.sizes - bank.held_out).min())))
    return sampler(bank, recipe, seed, device)


def selection_tasks(config: RunConfig, dataset: Dataset[Any], device: torch.device | str) -> tuple[int, EpisodeSource]:
    """How many tasks settings are chosen on, and where they come from: as validation tasks, but others.

    They are as many as those of the test, and at most as many as that has where nothing is asked for. Which step of its
    training a learner keeps was chosen on the validation tasks, which would favour a setting that overfits to those.

    Args:
        config: as given.
        dataset: that its data are of.
        device: of the tasks.

    Raises:
        DataError: the bank cannot give the tasks.
    """
    most = DRAWS if config.task.task == "all-way" else EPISODES
    return min(config.test.episodes or most, most), validation_tasks(config, dataset, device, SELECTION_SEED)


def freeze(path: str | Path, **settings: object) -> Manifest:
    """Write test tasks to a file: `metabench episodes freeze` as a call.

    Args:
        path: the Parquet file.
        settings: fields of RunConfig for data and tasks.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
    """
    config = make_config(**settings)
    config, dataset = load_data(config)
    if dataset.kind in SPANS:
        raise UsageError(
            f"the tasks of '{config.data.dataset}' are of words and cannot be frozen; --test-seed alone says which "
            "they are"
        )
    config, source = scored_tasks(config, dataset, None, "cpu")
    assert config.test.episodes is not None
    if not isinstance(source, BankSource):
        raise UsageError(
            f"the tasks of '{config.data.dataset}' have no images to freeze; --test-seed alone says which they are"
        )
    frozen = (source.drawn([number]) for number in range(config.test.episodes))
    every = flat(config.model_dump(mode="json", exclude_none=True))
    recipe = {name: value for name, value in every.items() if name in (*DATA, *NUMBERS, *RECIPE)}
    if config.task.query_imbalance == SETTINGS["query_imbalance"].default:
        del recipe["query_imbalance"]  # so that other tasks keep the digest that they had before there was such
    return write_manifest(Path(path), dataset.test, frozen, recipe)


def _all_way(config: RunConfig) -> tuple[RunConfig, Dataset[Any]]:
    """All classes at once, and the configuration with their number as its ways.

    Raises:
        UsageError: another number of ways was asked for.
        DataError: the dataset cannot be loaded.
    """
    config.test_recipe("images")  # which refuses what does not go with such tasks, before anything is loaded
    name, split, known = config.data.dataset, config.data.split, draws_of(config.data.dataset)
    if split is not None and split not in known:
        advice = f"leave it out, or give {' or '.join(known)}" if known else "leave it out"
        raise UsageError(f"--task all-way does not go with --split {split}{nearest(split, known) or f'; {advice}'}")
    load = all_way_spans if kind_of(name) in SPANS else all_way
    dataset = load(name, config.data.options)
    config, ways = _with_own(config, dataset), dataset.test.classes
    if config.given.get("ways", ways) != ways:
        raise UsageError(
            f"--ways {config.task.ways} does not go with --task all-way: '{dataset.name}' has {ways} classes; leave "
            "it out"
        )
    return config.changed(ways=ways), dataset


def _published(config: RunConfig, dataset: Dataset[Any]) -> RunConfig:
    """With the ways, shots and queries of the tasks that were published with the dataset."""
    first = dataset.test_episodes[0]
    ways = first.classes.shape[1]
    numbers = {"ways": ways, "shots": first.support.shape[1] // ways, "queries": first.query.shape[1] // ways}
    for name, number in numbers.items():
        if name in config.given and config[name] != number:
            raise UsageError(
                f"--{name} {config[name]} does not fit the tasks of '{dataset.name}', split {dataset.split}, "
                f"which have {number}; leave it out"
            )
    return config.changed(**numbers)


def _refuse_other_draws(config: RunConfig, dataset: Dataset[Any]) -> None:
    """Raise UsageError for more than one task, where all training items are the support of all."""
    one = f"'{dataset.name}' has {config.task.shots} training {dataset.test.noun} per class, all in the one task"
    if config.test.episodes not in (None, 1):
        raise UsageError(f"--episodes {config.test.episodes} is too many: {one}; leave it out")
    if config.test.until_interval is not None:
        raise UsageError(f"--until-interval {config.test.until_interval:g} takes more tasks: {one}; leave it out")
    if config.test.test_seed:
        raise UsageError(f"--test-seed {config.test.test_seed} draws nothing else: {one}; leave it out")


def _refuse_other_tasks(config: RunConfig, dataset: Dataset[Any]) -> None:
    other = config.variant or (f"test-seed={config.test.test_seed}" if config.test.test_seed else "")
    if other:
        raise UsageError(f"'{dataset.name}', split {dataset.split}, has tasks of its own; leave out: {other}")
