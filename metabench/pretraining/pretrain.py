"""pretrain(): from texts or pictures to a file of weights, by an objective and the harness's own training loop."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from episodes.banks.bank import ItemBank
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.dataset import Dataset
from episodes.files.token_cache import tokenised
from metabench.backbone import Shape, build_backbone, takes_text, vocabulary_of
from metabench.errors import RunError, UsageError
from metabench.escape import plain
from metabench.experiment.environment import choose_device, describe_environment, process_as_found
from metabench.objective import Objective, PictureObjective, PretrainingOptions, get_objective
from metabench.pretraining.config import PretrainConfig, make_pretrain_config
from metabench.pretraining.corpus import Corpus, read_corpus
from metabench.pretraining.pictures import read_pictures
from metabench.pretraining.validation import Pretraining
from metabench.records.checkpoint import kept, load_tensors
from metabench.records.folder import at_work
from metabench.registry import faults_of, parsed_options
from metabench.training.loop import train
from metabench.training.plan import TrainingLog, TrainingPlan
from metabench.training.signals import Stop
from metabench.weights.encoder_file import (
    About,
    Stretch,
    Weights,
    load_into,
    read_weights,
    short_backbone,
    write_weights,
)


def pretrain(objective: str, *, resume: bool = False, **settings: Any) -> About:
    """Pre-train a network, and write its weights: `metabench pretrain` as a call.

    Args:
        objective: one of `metabench list objectives`, or `package.module:Class`.
        resume: go on from the checkpoint that an interrupted pre-training of the same settings left.
        settings: the fields of `metabench.pretraining.config.PretrainConfig`.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: training failed or was interrupted.
    """
    config = make_pretrain_config(objective=objective, **settings)
    with process_as_found(), Stop() as stop:
        return _pretrain(config, resume, stop)


def _pretrain(config: PretrainConfig, resume: bool, stop: Stop) -> About:
    _check_output(config, resume)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    kind = get_objective(config.objective)
    config.check_kind(kind.kind)
    options, before = _options(config, kind)
    corpus: Corpus[Any] = read_corpus(config) if kind.kind == "text" else read_pictures(config)
    if options.batch_size > len(corpus.train):
        found = f"{len(corpus.train)} {corpus.train.noun}"
        raise UsageError(
            f"--batch-size {options.batch_size} is too large: there are {found}; give --batch-size {len(corpus.train)} "
            "or less"
        )
    # There is nothing for a test: the validation's stands there again.
    dataset: Dataset[Any] = Dataset(corpus.name, "", corpus.train, corpus.validation, corpus.validation)
    if kind.kind == "text":
        vocabulary = _vocabulary(config, options, before, corpus)
        dataset = tokenised(dataset, vocabulary, config.max_tokens, counted=False)
    objective = _build(config, kind, options, dataset.train, before)
    learner = Pretraining(config.objective, objective, dataset.validation, options).to(device)

    recorded = config.recorded(asdict(options), kind.kind)
    recorded |= {"device": device.type, "threads": torch.get_num_threads()}
    identity = {
        "config": recorded,
        "sources": [source.model_dump() for source in corpus.sources],
        "weights": before.digest if before else None,
    }
    faults = faults_of(kind, config.objective, RunError, partial(kept, config.checkpoint))
    with at_work(config.checkpoint), faults:
        log = train(learner, dataset, _plan(config, device, identity, stop), _state(config, resume, identity))
        about = _about(recorded, corpus, dataset.train.item_shape, before, log, device)
        digests = np.concatenate([corpus.digests, before.items]) if before else corpus.digests
        write_weights(config.output, about, objective.network, digests)
        config.checkpoint.unlink(missing_ok=True)
    return about


def _check_output(config: PretrainConfig, resume: bool) -> None:
    """Raise UsageError where a file would be overwritten, before anything is read."""
    if config.output.exists():
        raise UsageError(f"-o '{config.output}' exists already, and weights are never overwritten; choose another name")
    if config.checkpoint.exists() and not resume:
        raise UsageError(
            f"'{config.checkpoint}' keeps an unfinished pre-training; go on with it by --resume, or delete it"
        )
    if resume and not config.checkpoint.exists():
        raise UsageError(f"--resume finds no '{config.checkpoint}'; give the -o that it had, or leave --resume out")


def _options(config: PretrainConfig, kind: type[Objective]) -> tuple[PretrainingOptions, Weights | None]:
    """The objective's options, and the file that it goes on from, whose backbone is then theirs.

    Raises:
        UsageError: options that the objective does not have; a file that cannot be read, or of another backbone or
            kind of data; a backbone of another kind.
    """
    options = parsed_options(f"objective '{config.objective}'", kind.Options, {}, config.options)
    weights = read_weights(Path(options.weights)) if options.weights else None
    if weights and weights.about.kind != kind.kind:
        raise UsageError(
            f"--weights '{weights.path}' is of {weights.about.noun}, and objective '{config.objective}' takes "
            f"{kind.kind}; give another file, or leave it out"
        )
    if weights and "backbone" not in config.options:
        options = replace(options, backbone=weights.about.backbone)
    if weights and short_backbone(options.backbone) != weights.about.backbone:
        raise UsageError(
            f"--weights '{weights.path}' is of backbone {plain(weights.about.backbone, 60)}; leave --backbone "
            f"{options.backbone} out"
        )
    if takes_text(options.backbone) != (kind.kind == "text"):
        said, other = ("no texts", "bert-small") if kind.kind == "text" else ("texts alone", "conv4")
        raise UsageError(f"--backbone {options.backbone} takes {said}; choose one such as {other}")
    return options, weights


def _vocabulary(
    config: PretrainConfig, options: PretrainingOptions, before: Weights | None, corpus: Corpus[TextBank]
) -> Vocabulary:
    """That of the file that it goes on from, of the backbone, or one trained on the training texts."""
    found, whose = (before.vocabulary, "--weights") if before else (vocabulary_of(options.backbone), options.backbone)
    if found and config.vocabulary:
        raise UsageError(f"--vocabulary {config.vocabulary} does not go with {whose}, which has its own; leave it out")
    return found or Vocabulary.trained(corpus.train.texts(), config.vocabulary_size)


def _build(
    config: PretrainConfig,
    kind: type[Objective],
    options: PretrainingOptions,
    bank: ItemBank,
    before: Weights | None,
) -> Objective:
    torch.manual_seed(config.seed)
    network = build_backbone(options.backbone, bank.item_shape)
    if before:
        load_into([network], before)
    with faults_of(kind, config.objective, UsageError):
        if issubclass(kind, PictureObjective):
            return kind(network, bank.item_shape, options, bank.classes)
        return kind(network, bank.item_shape, options)


def _plan(config: PretrainConfig, device: torch.device, identity: dict[str, Any], stop: Stop) -> TrainingPlan:
    return TrainingPlan(
        seed=config.seed,
        precision="bfloat16" if device.type == "cuda" else "float32",
        validation=None,
        validation_episodes=0,
        checkpoint=config.checkpoint,
        identity=identity,
        stop=stop,
    )


def _state(config: PretrainConfig, resume: bool, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The checkpoint to go on from, if any; UsageError where it is of other settings or data."""
    if not resume:
        return None
    state = load_tensors(config.checkpoint, identity=dict)
    if state["identity"] != identity:
        raise UsageError(
            f"--resume finds in '{config.checkpoint}' a pre-training of {_other(state['identity'], identity)}; give "
            "those of the interrupted one, or delete it"
        )
    return state


def _other(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, in words: the settings by their names, or else what was read."""
    configs = [each.get("config", {}) for each in (before, now)]
    one, other = ({**each, **each.get("options", {}), "options": None} for each in configs)
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return f"other settings ({', '.join(names)})" if names else "other data or weights"


def _about(
    config: dict[str, Any],
    corpus: Corpus[Any],
    shape: Shape,
    before: Weights | None,
    log: TrainingLog,
    device: torch.device,
) -> About:
    best = int(log.best[config["objective"]]["step"])
    chosen = next(row for row in log.curve if row["step"] == best)
    values = {name.removeprefix("validation_"): value for name, value in [*chosen.items()][3:]}
    stretch = Stretch(
        objective=config["objective"],
        config=config,
        best_step=best,
        values=values,
        sources=corpus.sources,
        items=len(corpus.train),
        left_out=corpus.left_out,
        curve=log.curve,
        seconds=log.seconds,
        processor_seconds=log.processor_seconds,
        environment=describe_environment(device),
    )
    return About(
        backbone=config["options"]["backbone"],
        vocabulary=shape.vocabulary.content if isinstance(shape, TextShape) else None,
        special=shape.vocabulary.special if isinstance(shape, TextShape) else {},
        stages=(*(before.about.stages if before else ()), stretch),
    )
