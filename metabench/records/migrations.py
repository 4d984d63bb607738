"""Records of older schema versions, brought up to today's: one pure function for each step, on what JSON gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from episodes.names import short_name

VERSION = 9  # today's
METRICS = ("accuracy", "squared_error")

# Options whose defaults on a dataset have changed since version 2: records of then name them, so that they stay rows
# of their own beside runs by today's defaults.
EARLIER_DEFAULTS = {("maml", "glyphs"): ("steps", "meta_batch"), ("maml", "omniglot"): ("steps", "meta_batch")}

Values = dict[str, Any]

SHAPE_OF_4 = ("groups", "imbalance", "label_noise", "unlabelled", "distractors")


def migrate(record: Values) -> Values:
    """The content of a record of any version as today's has it; what it is given stays as it is.

    What is wrong in it is left wrong, for the check that follows to name.

    Raises:
        ValueError: a schema version that is not read, or a score of no metric or of two.
    """
    found = record.get("schema_version", VERSION)
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= VERSION:
        raise ValueError(
            f"it has schema version {found!r:.20}, and this metabench reads 1 to {VERSION}; install the one that wrote "
            "it"
        )
    for version in range(found, VERSION):
        record = {**STEPS[version](record), "schema_version": version + 1}
    return record


def _from_1(record: Values) -> Values:
    """Version 2 added predictions, floors, and values of a score: none follows from what version 1 has."""
    return {"floors": {}, "answers": None, **record}


def _from_2(record: Values) -> Values:
    """Version 3 names a score's metric, calls an answer a prediction, and knows a folder by its name, not its path."""
    made = {name: value for name, value in record.items() if name != "answers"}
    made["predictions"] = record.get("answers")
    if "score" in record:
        made["score"] = _score_from_2(record["score"])
    if isinstance(companions := record.get("companions"), dict):
        made["companions"] = {name: _score_from_2(score) for name, score in companions.items()}
    if isinstance(dataset := record.get("dataset"), dict) and isinstance(dataset.get("name"), str):
        made["dataset"] = {**dataset, "name": short_name(dataset["name"])}
    if isinstance(config := record.get("config"), dict):
        names = {name: config[name] for name in ("dataset", "test_dataset") if isinstance(config.get(name), str)}
        made["config"] = config = {**config, **{name: short_name(value) for name, value in names.items()}}
        if isinstance(options := config.get("options"), dict):
            config["options"] = options = with_new_options(options)
            if isinstance(changed := record.get("changed_options"), dict):
                earlier = EARLIER_DEFAULTS.get((str(config.get("learner")), str(config.get("dataset"))), ())
                made["changed_options"] = {name: options[name] for name in earlier if name in options} | changed
    return made


SECTIONS_OF_4 = {
    "data": ("dataset", "split", "test_dataset", "test_split", "image_size", "channels"),
    "task": ("ways", "shots", "queries", "task", *SHAPE_OF_4, "train_task", "test_task"),
    "test": ("disjoint", "episodes", "until_interval", "test_seed"),
    "training": ("validation_episodes", "seed", "precision"),
    "machine": ("device", "threads"),
}


def _from_3(record: Values) -> Values:
    """Version 4 has the configuration in sections, and says what kind of data a dataset has."""
    made, config = dict(record), record.get("config")
    if isinstance(dataset := record.get("dataset"), dict):
        functions = isinstance(config, dict) and config.get("dataset") == "sinusoid"
        made["dataset"] = {"kind": "functions" if functions else "images", **dataset}
    if isinstance(config, dict):
        known = {name for names in SECTIONS_OF_4.values() for name in names}
        made["config"] = {name: value for name, value in config.items() if name not in known}
        for section, names in SECTIONS_OF_4.items():
            made["config"][section] = {name: config[name] for name in names if name in config}
    return made


def _from_4(record: Values) -> Values:
    """Version 5 knows texts (`max_tokens`, tasks `all-way`), which no earlier record has any of."""
    return record


def _from_5(record: Values) -> Values:
    """Version 6 knows `query_imbalance`, which no earlier record has."""
    return record


def _from_6(record: Values) -> Values:
    """Version 7 says for every run whether its outside data had the test classes, not for files of weights alone."""
    made, weights = dict(record), record.get("weights")
    if isinstance(weights, dict) and "test_classes" in weights:
        made["weights"] = {name: value for name, value in weights.items() if name != "test_classes"}
        if weights["test_classes"] != "no":
            raise ValueError("weights.test_classes is not 'no'")
    return {"test_classes": "unknown" if record.get("outside_data") else "no", **made}


def _from_7(record: Values) -> Values:
    """Version 8 knows `across`, which no earlier record has."""
    return record


def _from_8(record: Values) -> Values:
    """Version 9 knows `selection`, which no earlier record has."""
    return record


def with_new_options(options: Values) -> Values:
    """A learner's options of before version 3, with those that came since, at the values of what it did then."""
    return {"alone_steps": 0, **options} if "teacher_backbone" in options else options


def _score_from_2(score: Any) -> Any:
    if not isinstance(score, dict):
        return score
    found = {name: score[name] for name in METRICS if score.get(name) is not None}
    if len(found) != 1:
        raise ValueError("a score has either an accuracy or a squared_error")
    ((metric, mean),) = found.items()
    return {"metric": metric, "mean": mean, **{name: value for name, value in score.items() if name not in METRICS}}


STEPS: dict[int, Callable[[Values], Values]] = {
    **{1: _from_1, 2: _from_2, 3: _from_3, 4: _from_4},
    **{5: _from_5, 6: _from_6, 7: _from_7, 8: _from_8},
}
