"""`metabench distillation-report`: teachers, students, and the students' networks trained alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.errors import RunError, UsageError
from metabench.evaluation.loop import predicted_logits
from metabench.evaluation.size import own_networks, stored_bytes
from metabench.learner import Learner
from metabench.pictures.charts import draw_sizes
from metabench.pictures.figure import check_picture
from metabench.registry import faults_of
from metabench.reports.distillation import STUDENT, TEACHER, Distillation, Measured, distillations, table
from metabench.rerun.load import TrainedRun, load_trained
from metabench.rerun.verify import TOLERANCE


def distillation_report(*runs: str | Path, picture: str | Path | None = None, **settings: Any) -> pd.DataFrame:
    """Teachers, their students, and the students' networks trained alone: `metabench distillation-report` as a call.

    Args:
        runs: folders of runs of a learner that has a teacher, or their record files. Runs that differ in the training
            seed alone are one.
        picture: a file to draw accuracy against size to; its ending chooses the format.
        settings: where the runs' data are, which are read again for sizes and agreement: `data_root`; `tasks`, the file
            of frozen tasks; `weights`, the file that they began with; `device` to ask the networks on.

    Returns:
        A row per network: `learner`, `dataset`, `task`, `network` (teacher, student, network alone, or another's name),
        `backbone`, `metric`, its `mean` and 95% interval `low` to `high` (accuracies in percent), over `seeds` training
        seeds and `tasks`; `parameters`, `task_multiply_adds` and `task_milliseconds`, as recorded; `bytes_float32`,
        `bytes_float16` and `bytes_int8` of its weights on disk; `agreement_mean`, `agreement_low` and `agreement_high`,
        the percentage of queries that it predicts as the teacher does; and `lead_mean`, `lead_low`, `lead_high` and
        `lead_p_value`, of the student's score less this network's on the same tasks. What is not known is missing.

    Raises:
        UsageError: a record cannot be read or has no teacher, or the picture cannot be drawn.
        RunError: a learner fails.
    """
    found = reports(list(map(Path, runs)), Path(picture) if picture else None, **settings)
    return table(found)


def reports(runs: Sequence[Path], picture: Path | None = None, **settings: Any) -> list[Distillation]:
    """The same, in parts; arguments and errors are those of `distillation_report`."""
    if picture:
        check_picture(picture)
    found = distillations(runs, lambda folder: _measured(load_trained(folder, **settings)))
    if picture:
        boards = {f"{each.dataset}, {each.task}": each.metric for each in found}
        if len(boards) > 1:
            raise UsageError(
                f"one picture is of the same test tasks, and these runs are of {' and '.join(boards)}; leave -o "
                "out, or draw them one by one"
            )
        ((board, metric),) = boards.items()
        draw_sizes(table(found), metric, picture, board)
    return found


def _measured(run: TrainedRun) -> dict[str, Measured]:
    with faults_of(run.learner_class, run.config.learner, RunError):
        networks = {STUDENT: run.learner, **run.learner.companions()}
        agreement = {} if run.learner.problem.regression or run.learner.problem.words else _agreement(run, networks)
        return {name: Measured(_sizes(each), agreement.get(name)) for name, each in networks.items()}


def _agreement(run: TrainedRun, networks: Mapping[str, Learner]) -> dict[str, NDArray[np.float64]]:
    """On each test task the fraction of queries that a network predicts as the teacher does, by its name."""
    episodes = range(run.config.test.episodes or 0)
    found: dict[str, list[Tensor]] = {name: [] for name in networks}
    right = []
    for blocks in zip(*(predicted_logits(each, run.test, episodes) for each in networks.values()), strict=True):
        labels = {name: logits.argmax(2) for name, (logits, _) in zip(networks, blocks, strict=True)}
        right.append((labels[STUDENT] == blocks[0][1]).double().mean(1))
        for name in networks:
            found[name].append((labels[name] == labels[TEACHER]).double().mean(1))
    scored, recorded = float(torch.cat(right).mean()), run.record.score.mean
    if abs(scored - recorded) > TOLERANCE:
        raise UsageError(
            f"its student has an accuracy of {scored:.2%} here, and {recorded:.2%} in its record; `metabench verify` "
            "says more"
        )
    return {name: torch.cat(parts).cpu().numpy() for name, parts in found.items() if name != TEACHER}


def _sizes(network: Learner) -> dict[str, int]:
    tensors = {
        f"{place}.{name}": value
        for place, each in enumerate(own_networks(network))
        for name, value in each.state_dict().items()
    }
    return stored_bytes(tensors) if tensors else {}
