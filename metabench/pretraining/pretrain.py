"""pretrain(): from texts to a file of weights, by an objective and the harness's own training loop."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.dataset import Dataset
from episodes.files.token_cache import tokenised
from episodes.sampling.texts import TextBatch
from episodes.uniforms import generator_key
from metabench.backbone import build_backbone, takes_text, vocabulary_of
from metabench.errors import RunError, UsageError
from metabench.escape import plain
from metabench.experiment.environment import choose_device, describe_environment, process_as_found
from metabench.learner import Stage, Texts, Trainable
from metabench.objective import Objective, PretrainingOptions, get_objective
from metabench.pretraining.config import PretrainConfig, make_pretrain_config
from metabench.pretraining.corpus import Corpus, read_corpus
from metabench.records.checkpoint import kept, load_tensors
from metabench.records.folder import at_work
from metabench.registry import faults_of, parsed_options
from metabench.training.loop import train
from metabench.training.plan import TrainingLog, TrainingPlan
from metabench.training.signals import Stop
from metabench.weights import About, Stretch, Weights, load_into, read_weights, short_backbone, write_weights

MOST_VALIDATED = 4096  # texts of a validation, evenly spaced over all
BATCH = 64  # texts at once in it


class Pretraining(Trainable):
    """An objective as what the loop trains: one stage, whose validation is always on the same texts."""

    def __init__(self, name: str, objective: Objective, validation: TextBank, options: PretrainingOptions) -> None:
        super().__init__()
        self.name, self.objective, self.validation, self.options = name, objective, validation, options

    def stages(self) -> list[Stage]:
        data, objective, clip = Texts(self.options.batch_size), self.objective, self.options.clip
        return [Stage(self.name, data, objective.loss, objective, self.options, clip=clip, values=self.values)]

    @torch.no_grad()
    def values(self) -> dict[str, float]:
        """What the objective says of the validation texts; no random stream moves."""
        device = next(self.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            return self.objective.eval().values(validation_batches(self.validation, device))


def validation_batches(bank: TextBank, device: torch.device) -> list[TextBatch]:
    """The same for every seed: `MOST_VALIDATED` texts or all that there are, by length."""
    rows = torch.from_numpy(np.linspace(0, len(bank) - 1, min(len(bank), MOST_VALIDATED)).astype(np.int64))
    split = torch.split(bank.by_length(rows), BATCH)
    return [TextBatch(bank.gather(part.to(device)), generator_key("validation", i)) for i, part in enumerate(split)]


def pretrain(objective: str, *, resume: bool = False, **settings: Any) -> About:
    """Pre-train an encoder, and write its weights: `metabench pretrain` as a call.

    Args:
        objective: `masked-text`, `simcse`, or `package.module:Class`.
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
    options, before = _options(config, kind)
    corpus = read_corpus(config)
    if options.batch_size > len(corpus.train):
        raise UsageError(f"--batch-size {options.batch_size} is too large: there are {len(corpus.train)} texts")
    dataset = _with_tokens(config, corpus, _vocabulary(config, options, before, corpus))
    shape = dataset.train.item_shape
    assert isinstance(shape, TextShape)
    objective = _build(config, kind, options, shape, before)
    learner = Pretraining(config.objective, objective, dataset.validation, options).to(device)

    recorded = config.recorded(asdict(options)) | {"device": device.type, "threads": torch.get_num_threads()}
    identity = {
        "config": recorded,
        "sources": [source.model_dump() for source in corpus.sources],
        "weights": before.digest if before else None,
    }
    faults = faults_of(kind, config.objective, RunError, partial(kept, config.checkpoint))
    with at_work(config.checkpoint), faults:
        log = train(learner, dataset, _plan(config, device, identity, stop), _state(config, resume, identity))
        about = _about(recorded, corpus, shape.vocabulary, before, log, device)
        hashes = np.concatenate([corpus.hashes, before.texts]) if before else corpus.hashes
        write_weights(config.output, about, objective.network, hashes)
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
        UsageError: options that the objective does not have; a file that cannot be read, or of another backbone.
    """
    options = parsed_options(f"objective '{config.objective}'", kind.Options, {}, config.options)
    weights = read_weights(Path(options.weights)) if options.weights else None
    if weights and "backbone" not in config.options:
        options = replace(options, backbone=weights.about.backbone)
    if weights and short_backbone(options.backbone) != weights.about.backbone:
        raise UsageError(
            f"--weights '{weights.path}' is of backbone {plain(weights.about.backbone, 60)}; leave --backbone "
            f"{options.backbone} out"
        )
    if not takes_text(options.backbone):
        raise UsageError(f"--backbone {options.backbone} takes no texts; choose one such as bert-small")
    return options, weights


def _vocabulary(
    config: PretrainConfig, options: PretrainingOptions, before: Weights | None, corpus: Corpus
) -> Vocabulary:
    """That of the file that it goes on from, of the backbone, or one trained on the training texts."""
    found, whose = (before.vocabulary, "--weights") if before else (vocabulary_of(options.backbone), options.backbone)
    if found and config.vocabulary:
        raise UsageError(f"--vocabulary {config.vocabulary} does not go with {whose}, which has its own; leave it out")
    return found or Vocabulary.trained(corpus.train.texts(), config.vocabulary_size)


def _with_tokens(config: PretrainConfig, corpus: Corpus, vocabulary: Vocabulary) -> Dataset[TextBank]:
    """The texts with their token ids. There are none for a test: the validation's stand there again."""
    dataset = Dataset(corpus.name, "", corpus.train, corpus.validation, corpus.validation)
    return tokenised(dataset, vocabulary, config.max_tokens, counted=False)


def _build(
    config: PretrainConfig,
    kind: type[Objective],
    options: PretrainingOptions,
    shape: TextShape,
    before: Weights | None,
) -> Objective:
    torch.manual_seed(config.seed)
    network = build_backbone(options.backbone, shape)
    if before:
        load_into([network], before)
    with faults_of(kind, config.objective, UsageError):
        return kind(network, shape, options)


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
    """The checkpoint to go on from, if any; UsageError where it is of other settings or texts."""
    if not resume:
        return None
    state = load_tensors(config.checkpoint, identity=dict)
    if state["identity"] != identity:
        raise UsageError(
            f"--resume finds in '{config.checkpoint}' a pre-training of other settings or texts; give those of the "
            "interrupted one, or delete it"
        )
    return state


def _about(
    config: dict[str, Any],
    corpus: Corpus,
    vocabulary: Vocabulary,
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
        texts=len(corpus.train),
        left_out=corpus.left_out,
        curve=log.curve,
        seconds=log.seconds,
        processor_seconds=log.processor_seconds,
        environment=describe_environment(device),
    )
    return About(
        backbone=config["options"]["backbone"],
        vocabulary=vocabulary.content,
        special=vocabulary.special,
        stages=(*(before.about.stages if before else ()), stretch),
    )
