"""The memory and the arithmetic that a test task takes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.autograd.profiler import profile  # torch.profiler's imports the compiler, which takes seconds
from torch.utils.flop_counter import FlopCounterMode

from episodes.episode import EpisodeBatch, LabelledEpisodeBatch
from episodes.sampling.source import EpisodeSource
from metabench.learner import Learner, given_to

MOST_QUERIES = 100  # of a task whose cost is measured: an all-way one has a whole test split


def task_megabytes(learner: Learner, source: EpisodeSource) -> float:
    """The most memory that tensors take at one time while the learner solves task 0, or MOST_QUERIES of it, in MiB.

    The learner's weights and the task's images, which are there before, do not count. On a GPU it is what torch's
    allocator tells (whose own peak starts anew), on CPU the peak of the allocations that torch's profiler records: of
    tensors, temporary ones inside of operations too, and not of Python or of libraries' own buffers.
    """
    with _task_zero(learner, source) as episode:
        if source.device.type == "cuda":
            return _on_gpu(learner, episode, source.device)
        return _on_cpu(learner, episode)


def task_multiply_adds(learner: Learner, source: EpisodeSource) -> int:
    """Multiply-adds of adapting to task 0 and predicting its queries, of matrix products and convolutions alone.

    Of a task with more than MOST_QUERIES, its first are predicted. Inner steps with their ways back are in it. Two
    floating-point operations, as torch counts them, are one.
    """
    with _task_zero(learner, source) as episode, FlopCounterMode(display=False) as counter:
        learner.classify(episode)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _task_zero(learner: Learner, source: EpisodeSource) -> Iterator[EpisodeBatch]:
    """The task as the learner is shown it when it is scored, or its first queries."""
    was_training = learner.training
    learner.eval()
    with torch.no_grad():
        yield _first_queries(learner, source.batch([0]))
    learner.train(was_training)


def _first_queries(learner: Learner, task: LabelledEpisodeBatch) -> EpisodeBatch:
    """At most MOST_QUERIES of them."""
    episode = given_to(learner, task.to_float())
    return replace(episode, query=episode.query[:, :MOST_QUERIES])


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
    with profile(use_kineto=True, profile_memory=True) as recorded:
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


LATENCY_SECONDS = 1.0
SLOW_SECONDS = 10.0  # of a task, beside which warming up is nothing


def classify_latency(learner: Learner, sampler: EpisodeSource, episodes: int, repeats: int = 20) -> float:
    """Median milliseconds to adapt to one of the first `episodes` tasks and predict its queries, or MOST_QUERIES.

    Over `repeats`, or as many (at least two) as fit in `LATENCY_SECONDS`. Of a task that takes longer than
    `SLOW_SECONDS` the first time is all, beside which warming up is nothing.
    """
    was_training = learner.training
    learner.eval()
    seconds: list[float] = []
    with torch.no_grad():
        for number in range(repeats + 1):
            if (len(seconds) > 2 and sum(seconds) > LATENCY_SECONDS) or sum(seconds) > SLOW_SECONDS:
                break
            episode = _first_queries(learner, sampler.batch([number % episodes]))
            if sampler.device.type == "cuda":
                torch.cuda.synchronize(sampler.device)  # the gathering is not to be counted
            start = time.perf_counter()
            learner.classify(episode).argmax(2).cpu()  # the copy waits for the device
            seconds.append(time.perf_counter() - start)
    learner.train(was_training)
    return float(np.median(seconds[1:] or seconds) * 1000)  # the first one warms up


def peak_memory_megabytes(device: torch.device) -> float | None:
    """The most memory used so far: of the GPU's allocations, or of this process; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
