"""`metabench export`: a run's trained embedding as a file for other programs."""

from __future__ import annotations

import importlib.metadata
import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from episodes.banks.vocabulary import TextShape
from episodes.extras import need
from episodes.files.atomic import write_bytes
from metabench.errors import RunError, UsageError, first_line
from metabench.evaluation.size import own_networks
from metabench.learner import EmbeddingLearner
from metabench.registry import faults_of
from metabench.rerun.alone import TrainedLearner, load_learner
from metabench.weights.state_file import NOTE

OPSET = 18  # that torch's exporter is written for
TOLERANCE = 1e-4  # between onnxruntime and torch, as a part of the largest feature if that is above 1
ENDINGS = (".onnx", ".safetensors")
SIZES = (1, 2, 7)  # of the batches that are compared


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the file.
        takes: its inputs in words, with their shape.
        features: how many it gives for an input.
        checked: what it was compared with, and how far it was from that.
    """

    path: Path
    takes: str
    features: int
    checked: str

    def __str__(self) -> str:
        size = self.path.stat().st_size / 1000
        return f"{self.path} ({size:,.1f} kB): {self.features} features of {self.takes}; {self.checked}"


def export(
    run: str | Path, output: str | Path, data_root: str | Path | None = None, weights: str | Path | None = None
) -> Export:
    """Write the embedding of a finished run's learner, of a distillation the student's: `metabench export` as a call.

    To `.onnx` goes the whole embedding as a graph, by torch's exporter; it takes batches of any size, and of texts any
    number of tokens. It is run by onnxruntime, and written only if it gives what torch gives, within TOLERANCE. To
    `.safetensors` go the weights of its network alone, which `run --weights` takes if they are of pictures. Both have a
    note of the run in their metadata, `metabench`, and of texts the tokenizer, `vocabulary`.

    Args:
        run: its folder, or the record in it.
        output: the file; its ending chooses the format.
        data_root: folder with the run's data, where they are needed (see `metabench.rerun.alone.load_learner`).
        weights: the file of weights that the run began with, likewise.

    Raises:
        UsageError, episodes.DataError: the run cannot be read, has no embedding of its own, or is of words or numbers;
            a package is missing; or the file cannot be written.
        RunError: the embedding cannot be made a graph, or gives other features as one.
    """
    output = Path(output)
    ending = output.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"-o {output}: a learner is exported to {' or '.join(ENDINGS)}; name such a file")
    if ending == ENDINGS[0]:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            need(package, "export", "an export to .onnx")
    trained = load_learner(run, "cpu", data_root, weights)
    learner = _embedding_of(trained)
    with faults_of(type(learner), trained.record.config.learner, RunError):
        content, checked = (_graph if ending == ENDINGS[0] else _weights)(trained, learner)
        features = learner.embed(_examples(learner, 1)).shape[1]
    write_bytes(output, content)
    return Export(output, _takes(learner), features, checked)


def _embedding_of(trained: TrainedLearner) -> EmbeddingLearner:
    """The run's learner; UsageError if there is no embedding to be had of it."""
    learner, name = trained.learner, trained.record.config.learner
    reason = ""
    if not isinstance(learner, EmbeddingLearner):
        reason = "its network is another for each task"
    elif not learner.frozen_embedding:
        reason = "a task changes its embedding with these options"
    elif learner.problem.words:
        reason = "it embeds the words of sentences, whose number is another for each"
    if reason or not isinstance(learner, EmbeddingLearner):
        raise UsageError(
            f"learner '{name}' of '{trained.folder}' cannot be exported: {reason}; export a run whose embedding stays "
            "as it was trained"
        )
    return learner


class _Embedding(nn.Module):
    """What is exported: `learner.embed` as a module."""

    def __init__(self, learner: EmbeddingLearner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, inputs: Tensor) -> Tensor:
        return self.learner.embed(inputs)


def _graph(trained: TrainedLearner, learner: EmbeddingLearner) -> tuple[bytes, str]:
    """The embedding as ONNX, and what it was compared with."""
    sizes: dict[int, Any] = {0: torch.export.Dim("n", min=1)}
    if isinstance(learner.problem.image_shape, TextShape):
        sizes[1] = torch.export.Dim("tokens", min=2, max=learner.problem.image_shape[0])
    example = (_examples(learner, 2),)  # more than one, which would be taken for a size that never changes
    name = trained.record.config.learner
    try:
        with _quiet(), torch.enable_grad():  # without a gradient networks take inputs in parts
            program = torch.export.export(_Embedding(learner), example, dynamic_shapes=(sizes,), strict=False)
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=["inputs"],
                output_names=["features"],
                verbose=False,
            )
    except Exception as error:  # torch's exporters raise errors of many kinds
        raise RunError(f"the embedding of learner '{name}' cannot be made a graph: {first_line(error)}") from error
    assert made is not None
    content = _labelled(made.model_proto, sizes, _about(trained)).SerializeToString()
    return content, f"opset {OPSET}; {_compared(content, learner, name)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it nothing is printed, logged or warned of: torch tells at length what it is about."""
    disabled = logging.root.manager.disable
    logging.disable()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _labelled(model: Any, sizes: dict[int, Any], about: dict[str, str]) -> Any:
    """The model with names of its free sizes and notes, and without traces of the machine that it was made on."""
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.value_info[:], model.graph.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    free = {place: size.__name__ for place, size in sizes.items()}
    for value, names in ((model.graph.input[0], free), (model.graph.output[0], {0: free[0]})):
        for place, dimension in names.items():
            value.type.tensor_type.shape.dim[place].dim_param = dimension
    for key, text in about.items():
        model.metadata_props.add(key=key, value=text)
    return model


def _compared(content: bytes, learner: EmbeddingLearner, name: str) -> str:
    """How far onnxruntime's features are from torch's; RunError if that is too far."""
    runtime = need("onnxruntime", "export", "an export to .onnx")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    furthest = largest = 0.0
    for inputs in _batches(learner):
        with torch.no_grad():
            expected = learner.embed(inputs).numpy()
        (found,) = session.run(None, {"inputs": inputs.numpy()})
        furthest = max(furthest, float(np.abs(found - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    if not furthest <= TOLERANCE * max(1.0, largest):
        raise RunError(
            f"the graph of learner '{name}' gives other features: onnxruntime's differ from torch's by {furthest:.2g} "
            f"of at most {largest:.3g}, and {TOLERANCE * max(1.0, largest):.2g} is allowed; nothing was written"
        )
    return f"onnxruntime {runtime.__version__} gives what torch gives within {furthest:.1g} (of at most {largest:.3g})"


def _weights(trained: TrainedLearner, learner: EmbeddingLearner) -> tuple[bytes, str]:
    """The tensors of its network as safetensors, and what they are."""
    networks = own_networks(learner)
    if len(networks) != 1:
        raise UsageError(
            f"learner '{trained.record.config.learner}' has {len(networks)} networks with a backbone's name, and a "
            "file of weights is of one; export to .onnx"
        )
    (network,) = networks
    tensors = {name: value.detach().clone().contiguous() for name, value in network.state_dict().items()}
    content = save(tensors, _about(trained))
    if any(not torch.equal(value, tensors[name]) for name, value in load(content).items()):
        raise RunError("the weights that were written are not those that were read back; nothing was written")
    taken = "" if isinstance(learner.problem.image_shape, TextShape) else "; --weights takes the file"
    return content, f"{len(tensors)} tensors of backbone {network.name}, read back as they were{taken}"


def _about(trained: TrainedLearner) -> dict[str, str]:
    """What the file says of itself."""
    record, shape = trained.record, trained.learner.problem.image_shape
    about = {
        "run": record.id,
        "learner": record.config.learner,
        "options": record.config.options,
        "dataset": record.dataset.model_dump(mode="json"),
        "test_classes": record.test_classes,
        "score": {record.score.metric: record.score.mean},
        "inputs": _takes(trained.learner),
        "metabench": importlib.metadata.version("metabench"),
    }
    texts = {"vocabulary": shape.vocabulary.content} if isinstance(shape, TextShape) else {}
    return {NOTE: json.dumps(about, default=str), **texts}


def _takes(learner: Any) -> str:
    """The inputs in words."""
    shape = learner.problem.image_shape
    if isinstance(shape, TextShape):
        return f"texts [n, tokens], int32 token ids plus 1, 0 for padding, at most {shape[0]} tokens, any n"
    return f"images [n, {', '.join(map(str, shape))}], float32 from 0 to 1, any n"


def _batches(learner: EmbeddingLearner) -> Iterator[Tensor]:
    for size in SIZES:
        yield _examples(learner, size)


def _examples(learner: EmbeddingLearner, count: int) -> Tensor:
    """So many random inputs; of texts some shorter than others."""
    shape, random = learner.problem.image_shape, torch.Generator().manual_seed(count)
    if not isinstance(shape, TextShape):
        return torch.rand(count, *shape, generator=random)
    vocabulary, most = shape.vocabulary, shape[0]
    lengths = torch.randint(2, most + 1, (count, 1), generator=random)
    ids = torch.randint(0, len(vocabulary), (count, most), generator=random) + 1
    ids[:, 0] = vocabulary.number("first") + 1
    places = torch.arange(most)
    ids = ids.where(places != lengths - 1, vocabulary.number("separator") + 1).where(places < lengths, 0)
    return ids[:, : int(lengths.max())].int()
