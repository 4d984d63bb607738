"""The memory and the arithmetic that a test task takes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from episodes.episode import EpisodeBatch
from episodes.sampling.source import EpisodeSource
from metabench.learner import Learner


def task_megabytes(learner: Learner, source: EpisodeSource) -> float:
    """The most memory that tensors take at one time while the learner adapts to task 0 and answers its queries, in MiB.

    The learner's weights and the task's images, which are there before, do not count. On a GPU it is what torch's
    allocator tells (whose own peak starts anew), on CPU the peak of the allocations that torch's profiler records: of
    tensors, temporary ones inside of operations too, and not of Python or of libraries' own buffers.
    """
    with _task_zero(learner, source) as episode:
        if source.device.type == "cuda":
            return _on_gpu(learner, episode, source.device)
        return _on_cpu(learner, episode)


def task_multiply_adds(learner: Learner, source: EpisodeSource) -> int:
    """Multiply-adds of adapting to task 0 and answering its queries: those of matrix products and convolutions alone.

    Inner steps with their ways back are in it. Two floating-point operations, as torch counts them, are one.
    """
    with _task_zero(learner, source) as episode, FlopCounterMode(display=False) as counter:
        learner.classify(episode)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _task_zero(learner: Learner, source: EpisodeSource) -> Iterator[EpisodeBatch]:
    """The task as the learner is shown it when it is scored."""
    was_training = learner.training
    learner.eval()
    with torch.no_grad():
        yield source.batch([0]).to_float().without_query_labels()
    learner.train(was_training)


def _on_gpu(learner: Learner, episode: EpisodeBatch, device: torch.device) -> float:
    learner.classify(episode)  # what libraries allocate once and keep is not the task's
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    learner.classify(episode)
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _on_cpu(learner: Learner, episode: EpisodeBatch) -> float:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes notes of its own to standard error
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        learner.classify(episode)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]")
    in_use = most = 0
    for _, change in changes:
        in_use += change
        most = max(most, in_use)
    return most / 2**20
