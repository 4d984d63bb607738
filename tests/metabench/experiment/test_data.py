"""Which tasks a run is scored on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import metabench
from episodes import DataError, Dataset, EpisodeList, EpisodeSampler, FixedTask, NamedTask
from episodes.datasets.combine import named_tasks
from episodes.sampling.manifest import write_manifest
from episodes.sampling.source import BankSource
from metabench.board.rows import entries, frame
from metabench.board.text import printable
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.data import freeze, load_data, scored_tasks, validation_tasks
from metabench.learner import Episodes
from metabench.records.reader import read_record
from metabench.records.record import RunRecord
from metabench.records.runs import read_runs
from metabench.rerun.show import show
from metabench.training.plan import training_task

QUICK: dict[str, Any] = {
    **{"learner": "protonet", "ways": 3, "shots": 2, "queries": 5, "validation_episodes": 4, "threads": 1},
    "options": {"backbone": "conv4:8", "steps": 3, "train_ways": 4},
}
VARIANTS: list[dict[str, Any]] = [
    {"task": "variable"},
    {"groups": "within"},
    {"imbalance": "dirichlet"},
    {"label_noise": 0.34},
    {"query_imbalance": "dirichlet:0.2"},
    {"unlabelled": 2, "distractors": 1, "options": {**QUICK["options"], "refine_steps": 1}},
]


def quick(output: Path, **settings: Any) -> tuple[RunRecord, np.ndarray[Any, Any]]:
    record = metabench.run(**{**QUICK, "episodes": 20, "output": output, **settings})
    return read_record(output / record.id / "record.json")


@pytest.mark.parametrize("settings", VARIANTS, ids=lambda settings: next(iter(settings)))
def test_a_run_on_frozen_tasks_is_the_run_that_draws_them(settings: dict[str, Any], tmp_path: Path) -> None:
    recipe = {name: value for name, value in settings.items() if name != "options"}
    numbers = {name: QUICK[name] for name in ("ways", "shots", "queries")}
    episodes = 6 if "task" in recipe else 20  # of up to 50 ways
    manifest = freeze(tmp_path / "t.parquet", **numbers, **recipe, episodes=episodes)
    drawn, accuracies = quick(tmp_path / "drawn", **{"episodes": episodes, **settings})
    options = settings.get("options", QUICK["options"])
    given = {name: value for name, value in QUICK.items() if name not in numbers}
    record = metabench.run(**{**given, "options": options}, tasks=tmp_path / "t.parquet", output=tmp_path / "frozen")
    frozen, same = read_record(tmp_path / "frozen" / record.id / "record.json")
    assert np.array_equal(accuracies, same)
    assert frozen.dataset.tasks == manifest.digest
    assert frozen.config == drawn.config
    runs, problems = read_runs(tmp_path)
    assert not problems
    variant = make_config(**numbers, **recipe).variant
    assert set(frame(entries(runs))["task"]) == {variant, f"{variant}; tasks={manifest.digest[:8]}"}


def test_the_file_sets_the_dataset_whatever_it_is(tmp_path: Path) -> None:
    """It was `glyphs` whatever the file said, as long as a default counted as given."""
    rows = "".join(f"text {n} of {label},{label}\n" for label in "abcdef" for n in range(4))
    (tmp_path / "t.csv").write_text(f"text,label\n{rows}")
    name = f"csv:{tmp_path / 't.csv'}"
    freeze(tmp_path / "t.parquet", dataset=name, ways=2, queries=2, episodes=3)
    record = metabench.run(tasks=tmp_path / "t.parquet", learner="tfidf", output=tmp_path)
    assert (record.dataset.name, record.config.task.ways) == ("csv:t.csv", 2)
    assert "dataset" not in make_config(learner="nearest").given
    assert "dataset" in make_config(dataset="glyphs").given


def test_what_does_not_fit_frozen_tasks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    freeze(path, ways=3, queries=5, episodes=4)
    with pytest.raises(UsageError, match=r"--ways 5 does not fit the tasks in '.*', which have 3; leave it out"):
        metabench.run(tasks=path, ways=5)
    with pytest.raises(UsageError, match="--groups within does not fit"):
        metabench.run(tasks=path, groups="within")
    with pytest.raises(UsageError, match="--episodes 5 is too many: there are 4 such tasks; leave it out"):
        metabench.run(tasks=path, episodes=5, output=tmp_path)
    with pytest.raises(DataError, match="are of the images 'glyphs/test' with fingerprint"):
        metabench.run(tasks=path, image_size=32, output=tmp_path)


def test_frozen_tasks_set_nothing_else_of_a_run(tmp_path: Path, glyphs: Dataset) -> None:
    """Not the learner above all, whose name may be that of a module to import."""
    frozen = freeze(tmp_path / "t.parquet", ways=3, queries=5, episodes=4)
    settings = {**frozen.settings, "learner": "antigravity:Fly"}
    write_manifest(tmp_path / "t.parquet", glyphs.test, frozen.episodes, settings)
    with pytest.raises(UsageError, match=r"'.*t.parquet' sets more than data and tasks; fetch it from a source"):
        metabench.run(tasks=tmp_path / "t.parquet", output=tmp_path)


def test_files_of_balanced_tasks_know_nothing_of_imbalance(tmp_path: Path) -> None:
    """So that their digest, by which records know them, is what it was before there was such."""
    settings = freeze(tmp_path / "t.parquet", ways=3, queries=5, episodes=2).settings
    assert "query_imbalance" not in settings
    assert "imbalance" in settings
    uneven = freeze(tmp_path / "u.parquet", ways=3, queries=5, episodes=2, query_imbalance="dirichlet:2").settings
    assert uneven == {**settings, "query_imbalance": "dirichlet"}
    with pytest.raises(
        UsageError, match=r"--query-imbalance dirichlet:0.5 does not fit the tasks in .* have dirichlet"
    ):
        metabench.run(tasks=tmp_path / "u.parquet", query_imbalance="dirichlet:0.5")


def test_tasks_that_are_cut_to_what_classes_have_are_said(tmp_path: Path) -> None:
    """Of 40 images 35 are queries, so that a class may have 5 shots, where it should have up to 16."""
    said = (
        "9.% of tasks are less uneven than --imbalance says: no class of 'glyphs/test' has more than 40 images; a lower"
    )
    with pytest.warns(UserWarning, match=said):
        freeze(tmp_path / "t.parquet", shots=4, queries=35, episodes=2, imbalance="dirichlet")
    freeze(tmp_path / "u.parquet", shots=4, queries=10, episodes=2, imbalance="dirichlet")


def test_frozen_tasks_are_of_classes(tmp_path: Path, data_root: Path) -> None:
    freeze(tmp_path / "t.parquet", ways=3, queries=5, episodes=4)
    with pytest.raises(UsageError, match="the tasks of 'wnut17' are of words and cannot be frozen; --test-seed alone"):
        freeze(tmp_path / "w.parquet", dataset="wnut17", data_root=data_root, task="all-way", episodes=2)
    with pytest.raises(UsageError, match="--tasks does not go with --dataset sinusoid, whose tasks are functions"):
        metabench.run(tasks=tmp_path / "t.parquet", dataset="sinusoid", learner="maml", output=tmp_path)


def test_named_tasks_are_trained_and_tested_on(tmp_path: Path, glyphs: Dataset) -> None:
    names = glyphs.test.class_names
    tasks = {"train_task": [names[0:3], names[3:6]], "test_task": [",".join(names[6:9])]}
    given = {name: value for name, value in QUICK.items() if name not in ("ways", "options")}
    options = {"backbone": "conv4:8", "steps": 3}
    for learner in ("protonet", "maml", "finetune"):
        settings = {**given, "learner": learner, "options": options, "episodes": 10, "output": tmp_path}
        record = metabench.run(**settings, **tasks)
        assert record.config.task.ways == 3
        assert record.config.task.test_task == (names[6:9],)
        assert (record.dataset.classes.train, record.dataset.classes.test) == (6, 3)


def test_named_tasks_of_animals_are_trained_and_tested_on(tmp_path: Path, emoji: Dataset, data_root: Path) -> None:
    """By a name that its character has too, and with as many queries as its things have drawings for."""
    tasks = {"train_task": ["cat,sheep,boar", "dog,shark,lion"], "test_task": ["dolphin,duck,chicken"]}
    given = {"dataset": "emoji", "data_root": data_root, "output": tmp_path, "episodes": 10, "validation_episodes": 4}
    record = metabench.run(**given, **tasks, options={"backbone": "conv4:8", "steps": 3}, threads=1)
    assert record.config.task.train_task == (("cat", "ewe", "boar"), ("dog", "shark", "lion"))
    assert (record.config.task.ways, record.config.task.queries) == (3, 5)
    assert (record.dataset.classes.train, record.dataset.classes.validation, record.dataset.classes.test) == (6, 179, 3)
    config, dataset = load_data(make_config(dataset="emoji", data_root=data_root, queries=3, **tasks))
    assert config.task.queries == 3
    assert dataset.test.class_names == ("dolphin", "duck", "chicken")


def test_across_styles_the_support_has_some_and_the_queries_others(emoji: Dataset, data_root: Path) -> None:
    asked = {"dataset": "emoji", "data_root": data_root, "across": "styles"}
    config, dataset = load_data(make_config(**asked, shots=3))
    assert (config.task.queries, config.variant) == (2, "across=styles")
    assert not dataset.train.held_out
    assert sorted(dataset.train.item_digests()) == sorted(emoji.train.item_digests())
    for source in (scored_tasks(config, dataset, None, "cpu")[1], validation_tasks(config, dataset, "cpu")):
        assert isinstance(source, EpisodeSampler)
        drawn = source.indices(range(50))
        assert source.bank.held_out_items[drawn.query].all()
        assert not source.bank.held_out_items[drawn.support].any()
    config, dataset = load_data(make_config(**asked, train_task="cat,sheep,boar", test_task="dog,shark,lion"))
    assert dataset.train.class_sizes == (9, 9, 9)
    assert dataset.test.held_out == (4, 3, 4)
    with pytest.raises(DataError, match="--across styles does not go with --dataset glyphs; leave it out"):
        load_data(make_config(across="styles"))


def test_training_episodes_are_the_named_tasks_and_no_others(toy: Dataset) -> None:
    names = (("train1", "train4", "train6"), ("train0", "train2", "train7"))
    asked = Episodes(FixedTask(5, 2, 4, groups="within", unlabelled=3, distractors=2), 8)
    task = training_task(asked, names)
    assert isinstance(task, NamedTask)
    assert (task.ways, task.shots, task.queries, task.unlabelled, task.images) == (3, 2, 4, 3, 27)
    drawn = EpisodeSampler(named_tasks(toy, train=names).train, task, seed=0).indices(range(200))
    met = {frozenset(row) for row in np.array([name for each in names for name in each])[drawn.classes].tolist()}
    assert met == {frozenset(each) for each in names}


def test_images_of_the_pool_count_as_seen(tmp_path: Path) -> None:
    plain, _ = quick(tmp_path, unlabelled=2)
    pooled, _ = quick(tmp_path, unlabelled=2, distractors=1, options={**QUICK["options"], "refine_steps": 1})
    assert plain.training.images == 3 * 4 * (2 + 5)
    assert pooled.training.images == 3 * (4 * (2 + 5) + (4 + 1) * 2)


def test_named_tasks_may_be_trained_on_for_frozen_ones_of_other_ways(tmp_path: Path, glyphs: Dataset) -> None:
    freeze(tmp_path / "t.parquet", ways=5, shots=2, queries=5, episodes=4)
    given = {name: value for name, value in QUICK.items() if name not in ("ways", "shots", "queries")}
    names = glyphs.train.class_names
    record = metabench.run(
        **given, tasks=tmp_path / "t.parquet", train_task=[names[:4], names[4:8]], output=tmp_path / "runs"
    )
    assert record.config.task.ways == 5
    assert record.dataset.classes.train == 8


def test_variable_tasks_are_one_row_whatever_the_training_episodes(tmp_path: Path) -> None:
    for settings in ({}, {"ways": 4, "shots": 1}):
        record, _ = quick(tmp_path, task="variable", episodes=3, **settings)
        assert record.id.startswith("glyphs-variable-protonet-seed0")
    table = frame(entries(read_runs(tmp_path)[0]))
    assert table["ways"].isna().all()
    assert list(table["task"]) == ["variable", "variable"]
    assert "NA" not in printable(entries(read_runs(tmp_path)[0]), 80)
    assert sorted(table["settings"].str.extract("(queries.*)")[0]) == [
        "queries=5 shots=2 steps=3 train_ways=4 validation_episodes=4 ways=3",
        "queries=5 steps=3 train_ways=4 validation_episodes=4 ways=4",
    ]


def test_a_picture_of_another_task_than_the_learner_can_is_refused(tmp_path: Path) -> None:
    options = {"backbone": "mlp:4", "steps": 1, "meta_batch": 1}
    record, _ = quick(tmp_path, learner="maml", options=options, episodes=2)
    with pytest.raises(UsageError, match="learner 'maml' classifies tasks of 3 ways and no others; --task variable"):
        show(tmp_path / "a.png", run_folder=tmp_path / record.id, task="variable")


def test_what_named_tasks_do_not_allow_is_refused(tmp_path: Path, glyphs: Dataset) -> None:
    names = glyphs.test.class_names
    with pytest.raises(DataError, match="has 2 classes, where --ways is 5"):
        metabench.run(test_task=[names[:2]], ways=5, output=tmp_path)
    with pytest.raises(UsageError, match="--task variable does not go with --test-task"):
        metabench.run(test_task=[names[:2]], task="variable", output=tmp_path)
    with pytest.raises(UsageError, match=r"learner 'maml' classifies tasks of 2 ways .* has 3 classes: name as many"):
        metabench.run(learner="maml", train_task=[names[:3]], test_task=[names[3:5]], output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_head_of_fixed_ways_is_kept_from_variable_tasks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learner 'maml' classifies tasks of 5 ways and no others; --task variable"):
        metabench.run(learner="maml", task="variable", output=tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"task": "variable", "imbalance": "step", "shots": 2},
            "--task variable does not go with --imbalance; leave one",
        ),
        (
            {"task": "variable", "query_imbalance": "dirichlet"},
            "--task variable does not go with --query-imbalance; leave one",
        ),
        (
            {"query_imbalance": "dirichle"},
            "--query-imbalance: give none, dirichlet, or dirichlet:ALPHA with .* found 'dirichle'",
        ),
        ({"task": "variable", "groups": "across"}, "--task variable does not go with --groups across; leave one"),
        ({"task": "variable", "disjoint": True}, "--task variable does not go with --disjoint; leave one"),
        ({"groups": "some"}, "--groups: give 'any', 'within' or 'across'; found 'some'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        metabench.run(**settings, output=tmp_path)


def test_disjoint_tasks_are_as_many_as_the_images_suffice_for() -> None:
    config = make_config(disjoint=True)
    config, dataset = load_data(config)
    settled, source = scored_tasks(config, dataset, None, "cpu")
    assert isinstance(source, EpisodeList)
    assert settled.test.episodes == len(source) == dataset.test.classes * 2 // 5
    drawn = source.indices(range(len(source)))
    images = np.concatenate([drawn.support, drawn.query], axis=1)
    assert len(set(images.ravel())) == images.size


def test_published_tasks_bring_their_numbers(data_root: Path, tmp_path: Path) -> None:
    settings = {"dataset": "omniglot", "split": "one-shot", "data_root": data_root}
    given = {name: value for name, value in QUICK.items() if name not in ("ways", "shots", "queries")}
    record = metabench.run(**given, **settings, output=tmp_path)
    config = record.config
    assert (config.task.ways, config.task.shots, config.task.queries, config.test.episodes) == (20, 1, 1, 20)
    with pytest.raises(
        UsageError, match="--ways 5 does not fit the tasks of 'omniglot', split one-shot, which have 20"
    ):
        metabench.run(**settings, ways=5, output=tmp_path)
    others: dict[str, dict[str, Any]] = {
        "groups=within": {"groups": "within"},
        "disjoint": {"disjoint": True},
        "test-seed=1": {"test_seed": 1},
        "test a,b": {"test_task": "a,b"},
        "query_imbalance=dirichlet": {"query_imbalance": "dirichlet:2"},
    }
    for message, given in others.items():
        with pytest.raises(UsageError, match=f"has tasks of its own; leave out: {message}"):
            metabench.run(**settings, **given, output=tmp_path)
    _, crossed = load_data(make_config(test_dataset="omniglot", test_split="one-shot", data_root=data_root))
    assert len(crossed.test_episodes) == 20


def test_another_dataset_is_tested_on(data_root: Path, tmp_path: Path) -> None:
    record, _ = quick(tmp_path, test_dataset="omniglot", data_root=data_root)
    assert record.dataset.name == "glyphs to omniglot"
    assert record.dataset.classes.test == 423
    assert record.dataset.image_shape == (1, 28, 28)


def test_every_class_of_another_dataset_may_be_tested_on(tmp_path: Path) -> None:
    """Of three classes, too few for parts of their own."""
    for number in range(3):
        (tmp_path / "land" / f"c{number}").mkdir(parents=True)
        Image.new("RGB", (20, 20), (80 * number, 0, 0)).save(tmp_path / "land" / f"c{number}" / "a.png")
    crossing = {"dataset": "tests.made_pictures:colour", "test_dataset": f"folder:{tmp_path / 'land'}"}
    _, crossed = load_data(make_config(**crossing, test_split="all"))
    assert (crossed.name, crossed.split) == ("tests.made_pictures:colour to folder:land", "s to all")
    assert crossed.train.classes == crossed.validation.classes == 6
    assert crossed.test.class_names == ("c0", "c1", "c2")
    assert crossed.test.images.amax((1, 2, 3)).tolist() == [0, 80, 160]
    with pytest.raises(DataError, match="'folder:land' has 3 classes; train, validation and test need at least 6"):
        load_data(make_config(**crossing))


def test_all_classes_at_once_leave_none_to_train_on(tmp_path: Path) -> None:
    """The learner keeps its first weights, its budget is no changed option, and every held-out item is a query."""
    record = metabench.run(
        learner="protonet",
        task="all-way",
        shots=3,
        episodes=2,
        image_size=16,
        validation_episodes=2,
        options={"backbone": "conv4:2"},
        output=tmp_path,
    )
    assert record.training.images == 0
    assert record.changed_options == {"backbone": "conv4:2"}
    assert record.config.task.ways == record.dataset.classes.test == 147
    assert record.config.numbers == {"ways": 147, "shots": 3}
    assert record.dataset.split == "all classes"
    predictions = pd.read_parquet(tmp_path / record.id / "predictions.parquet")
    assert len(predictions) == 2 * 147 * 20
    assert record.floors["chance"].mean == pytest.approx(1 / 147)


def test_all_training_items_may_be_shots_and_validation_tasks_have_as_many_as_they_can() -> None:
    config, dataset = load_data(make_config(task="all-way", shots=20, image_size=16))
    config, test = scored_tasks(config, dataset, None, "cpu")
    validation = validation_tasks(config, dataset, "cpu")
    assert isinstance(test, BankSource)
    assert isinstance(validation, BankSource)
    assert test.drawn([0]).support.shape == (1, 147 * 20)
    assert validation.drawn([0]).support.shape == (1, 147 * 14)  # a third of 20 is held out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"options": {"steps": 5}}, "--set steps=5 does not go with --task all-way"),
        ({"ways": 5}, "--ways 5 does not go with --task all-way: 'glyphs' has 147 classes"),
        ({"groups": "within"}, "--task all-way does not go with --groups"),
        ({"disjoint": True}, "--task all-way does not go with --disjoint"),
        ({"query_imbalance": "dirichlet"}, "--task all-way does not go with --query-imbalance"),
        ({"split": "seed=1"}, "--task all-way does not go with --split"),
        ({"shots": 21}, "training images of class .*; --shots 21 asks for more"),
    ],
)
def test_what_does_not_go_with_all_classes_is_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, DataError), match=says):
        metabench.run(task="all-way", image_size=16, output=tmp_path, **settings)
    assert not list(tmp_path.iterdir())
