"""The weights that a run begins with: what they have read is none of its test, and where a record's are found again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.banks.bank import ItemBank
from episodes.banks.spans import SpanBank
from episodes.banks.text import TextBank
from episodes.dataset import Dataset
from episodes.errors import nearest
from episodes.files.remembered import last_place, remember
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.learner import Learner, TrainingOptions
from metabench.outside import PictureNetwork
from metabench.records.record import NetworkInput, PretrainedOn, RunRecord, WeightsInfo
from metabench.registry import named_networks
from metabench.seen import Seen, classes_seen
from metabench.state_file import PUBLISHED, GivenWeights, Published, read_state_file
from metabench.weights import Weights, file_digest, is_pretraining, read_weights

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
    """Raise UsageError if the weights were trained on a text of the test or validation classes.

    Where a bank holds items out for queries alone, as for all-way tasks, only these count: support is there to be seen.
    Texts are the same whatever their case and white space.
    """
    for part in ("test", "validation"):
        bank = getattr(dataset, part)
        if not isinstance(bank, TextBank | SpanBank):
            continue
        hashes = np.asarray(bank.item_digests(), dtype=np.int64)
        seen = np.flatnonzero(np.isin(hashes, weights.texts) & unseen_items(bank))
        if len(seen):
            texts = "1 text" if len(seen) == 1 else f"{len(seen):,} texts"
            whose = plain(bank.name.removesuffix(f"/{part}"), SHOWN)
            raise UsageError(
                f"--weights '{weights.path}' was trained on {texts} of the {part} classes of '{whose}', the first "
                f"'{plain(bank.text(int(seen[0])), SHOWN)}'; leave them out (`metabench pretrain --without {whose}`), "
                "or choose other weights"
            )


def weights_info(weights: GivenWeights) -> WeightsInfo:
    """What a record says of weights."""
    if not isinstance(weights, Weights):
        return WeightsInfo(file=weights.name, sha256=weights.digest, stages=(), sources=(), texts=0)
    stages = weights.about.stages
    sources = dict.fromkeys(source for stage in stages for source in stage.sources)
    return WeightsInfo(
        file=weights.path.name,
        sha256=weights.digest,
        stages=tuple(stage.objective for stage in stages),
        sources=tuple(
            PretrainedOn(kind=each.kind, name=each.name, split=each.split, fingerprint=each.fingerprint)
            for each in sources
        ),
        texts=len(weights.texts),
    )


def test_classes_seen(learner: Learner, dataset: Dataset[Any]) -> Seen:
    """Whether the test classes were in the outside data that a learner's weights were trained on.

    Weights of `metabench pretrain` have been compared with every text of the test by then (`refuse_seen`).
    """
    sources = [source for network in named_networks(learner) for source in network.sources]
    if type(learner).outside_data:
        sources.append(None)
    return classes_seen(sources, dataset.name, (*dataset.test.class_names, *dataset.test.groups))


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


def unseen_items(bank: ItemBank) -> NDArray[np.bool_]:
    """Which items no training may see, `[M]`: all, or those held out."""
    if isinstance(bank, SpanBank) and bank.held:
        return np.arange(len(bank)) >= len(bank) - bank.held
    return bank.held_out_items if bank.held_out else np.ones(len(bank), dtype=bool)


def _note(digest: str) -> str:
    return f"weights:{digest}"
