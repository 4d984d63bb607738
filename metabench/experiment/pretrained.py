"""The weights that a run begins with: what they have read is none of its test, and where a record's are found again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.banks.bank import ItemBank
from episodes.banks.images import ImageBank
from episodes.banks.spans import SpanBank
from episodes.banks.text import TextBank
from episodes.dataset import Dataset
from episodes.datasets.overlap import class_of, same_source
from episodes.errors import nearest
from episodes.files.remembered import last_place, remember
from episodes.names import short_name
from metabench.backbone import TrainedOn
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.learner import Learner, TrainingOptions
from metabench.outside import PictureNetwork
from metabench.records.record import NetworkInput, PretrainedOn, RunRecord, WeightsInfo
from metabench.records.seen import Seen, classes_seen, surest
from metabench.registry import named_networks
from metabench.weights.encoder_file import Weights, file_digest, is_pretraining, read_weights
from metabench.weights.state_file import PUBLISHED, GivenWeights, Published, read_state_file

SHOWN = 60  # characters of a text in a message


def weights_of(options: TrainingOptions) -> GivenWeights | None:
    """The weights that the options ask for, if any; a file's place is kept for `with_weights`.

    Raises:
        UsageError: the file is missing or cannot be read.
    """
    if not options.weights:
        return None
    if options.weights == PUBLISHED:
        return Published()
    path = Path(options.weights).expanduser()
    if not path.exists() and (meant := nearest(options.weights, [PUBLISHED])):
        raise UsageError(f"there is no file of --weights '{options.weights}'{meant}")
    weights = read_weights(path) if is_pretraining(path) else read_state_file(path, file_digest(path))
    remember(_note(weights.digest), path)
    return weights


def refuse_seen(weights: Weights, dataset: Dataset[Any]) -> None:
    """Raise UsageError if the weights were trained on a text or picture of the test or validation classes.

    In all-way tasks, whose classes are there to be trained on, only what is held out for queries counts. Texts are the
    same whatever their case and white space. Pictures are the same to the byte; those of another size, or resized
    otherwise, are told by the names of their classes, where they are of the same source.
    """
    kinds = (TextBank, SpanBank) if weights.vocabulary else (ImageBank,)
    for part in ("test", "validation"):
        bank = getattr(dataset, part)
        if not isinstance(bank, kinds):
            continue
        digests = np.asarray(bank.item_digests(), dtype=np.int64)
        seen = np.flatnonzero(np.isin(digests, weights.items) & unseen_items(bank, dataset))
        whose = plain(bank.name.removesuffix(f"/{part}"), SHOWN)
        found = ""
        if len(seen):
            noun = weights.about.noun
            items = f"1 {noun.removesuffix('s')}" if len(seen) == 1 else f"{len(seen):,} {noun}"
            found = f"{items} of the {part} classes of '{whose}', the first {_shown(bank, int(seen[0]))}"
        elif isinstance(bank, ImageBank) and (named := _classes_trained_on(weights, bank, dataset, whose)):
            classes = "1 class" if len(named) == 1 else f"{len(named):,} classes"
            found = f"{classes} with the name of a {part} class of '{whose}', the first '{plain(named[0], SHOWN)}'"
        if found:
            read = {source.name for stage in weights.about.stages for source in stage.sources}
            advice = "with the --split of this run" if short_name(whose) in read else f"--without {whose}"
            raise UsageError(
                f"--weights '{weights.path}' was trained on {found}; leave them out (`metabench pretrain` {advice}), "
                "or choose other weights"
            )


def _shown(bank: TextBank | SpanBank | ImageBank, row: int) -> str:
    """An item as people know it."""
    if isinstance(bank, ImageBank):
        return f"of class '{plain(bank.class_names[int(bank.labels[row])], SHOWN)}'"
    return f"'{plain(bank.text(row), SHOWN)}'"


def _classes_trained_on(weights: Weights, bank: ImageBank, dataset: Dataset[Any], whose: str) -> list[str]:
    """Those classes of a bank whose name is among the training classes of a dataset of the same source."""
    sources = [source for stage in weights.about.stages for source in stage.sources]
    if is_trained_on(bank, dataset):  # the name of such a class tells nothing, but digests of pictures of one size do
        sources = [source for source in sources if source.image_shape != bank.item_shape]
    near = [source for source in sources if same_source(source.name, short_name(whose))]
    known = {class_of(name) for source in near for name in source.classes}
    return [name for name in bank.class_names if class_of(name) in known]


def weights_info(weights: GivenWeights) -> WeightsInfo:
    """What a record says of weights."""
    if not isinstance(weights, Weights):
        return WeightsInfo(file=weights.name, sha256=weights.digest, stages=(), sources=(), texts=0)
    stages, count = weights.about.stages, len(weights.items)
    sources = dict.fromkeys(source for stage in stages for source in stage.sources)
    return WeightsInfo(
        file=weights.path.name,
        sha256=weights.digest,
        stages=tuple(stage.objective for stage in stages),
        sources=tuple(
            PretrainedOn(kind=each.kind, name=each.name, split=each.split, fingerprint=each.fingerprint)
            for each in sources
        ),
        texts=count if weights.vocabulary else 0,
        images=0 if weights.vocabulary else count,
    )


def test_classes_seen(learner: Learner, dataset: Dataset[Any]) -> Seen:
    """Whether the test classes were in the outside data that a learner's weights were trained on.

    Weights of `metabench pretrain` have been compared with every item of the test by then (`refuse_seen`). Weights that
    were exported from a run on the same training and test images have what its record says.
    """
    sources = [source for network in named_networks(learner) for source in network.sources]
    if type(learner).outside_data:
        sources.append(None)
    banks = (dataset.train.fingerprint, dataset.test.fingerprint)
    exported = [source for source in sources if isinstance(source, TrainedOn)]
    told = [source.test_classes if (source.train, source.test) == banks else "unknown" for source in exported]
    others = [source for source in sources if not isinstance(source, TrainedOn)]
    return surest([*told, classes_seen(others, dataset.name, (*dataset.test.class_names, *dataset.test.groups))])


def network_inputs(learner: Learner) -> dict[str, NetworkInput]:
    """How images go into each network from elsewhere, by its name."""
    first = {str(network.name): network[0] for network in named_networks(learner)}
    return {name: NetworkInput(**asdict(each.form)) for name, each in first.items() if isinstance(each, PictureNetwork)}


def with_weights(config: RunConfig, record: RunRecord, folder: Path, given: str | Path | None = None) -> RunConfig:
    """A record's configuration with the place of its weights on this machine.

    They are looked for where `given` says, else under their name in the current folder and in the record's, and where
    this machine last read them.

    Raises:
        UsageError: they are not there, or are others.
    """
    if record.weights is None:
        if given is not None:
            raise UsageError(f"'{folder}' did not begin with weights of a file; leave --weights out")
        return config
    name, digest = record.weights.file, record.weights.sha256
    if name == PUBLISHED:
        return config
    if given is not None:
        found = file_digest(Path(given).expanduser())
        if found != digest:
            raise UsageError(
                f"--weights '{given}' has SHA-256 {found[:8]}, and '{folder}' began with '{plain(name, SHOWN)}' of "
                f"{digest[:8]}; give that file"
            )
        return _placed(config, Path(given))
    for place in (Path(name), folder / name, folder.parent / name, last_place(_note(digest))):
        if place and place.is_file() and file_digest(place) == digest:
            return _placed(config, place)
    raise UsageError(
        f"'{folder}' began with weights of '{plain(name, SHOWN)}' (SHA-256 {digest[:8]}), which are not here; give the "
        "file by --weights"
    )


def _placed(config: RunConfig, place: Path) -> RunConfig:
    return config.changed(options={**config.options, "weights": str(place)})


def unseen_items(bank: ItemBank, dataset: Dataset[Any]) -> NDArray[np.bool_]:
    """Which items of a bank of a dataset no training may see, `[M]`: all, or of all-way tasks those held out."""
    if isinstance(bank, SpanBank) and bank.held:
        return np.arange(len(bank)) >= len(bank) - bank.held
    return bank.held_out_items if is_trained_on(bank, dataset) else np.ones(len(bank), dtype=bool)


def is_trained_on(bank: ItemBank, dataset: Dataset[Any]) -> bool:
    """Whether a bank's classes are those of training, as in all-way tasks, so that its support is there to be seen."""
    return bool(bank.held_out) and {*bank.class_names} <= {*dataset.train.class_names}


def _note(digest: str) -> str:
    return f"weights:{digest}"
