"""Does a teacher help, at equal steps and at equal cost? On glyphs, 5-way 1-shot.

`python results/studies/distillation.py TABLE.csv --student conv4:16 --teacher conv4 --steps 1000` trains the
teacher once, then students of it by several temperatures and mixings, and the student's network alone, all from the
same first weights, for as many steps as a student has, and for as many as take the processor time of both.
Each gets a row in TABLE.csv.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import torch
from shared import add_row, spent

from baselines.distillation.distill import Distill
from episodes import EpisodeSampler, FixedTask, load
from metabench.evaluation.loop import evaluate
from metabench.learner import Learner, Problem, Stage

TASK = FixedTask(5, 1, 15)
TASKS = 600  # of validation and of test


class Staged:
    """A learner's `stages` cut down to those named."""

    def __init__(self, learner: Learner, *names: str) -> None:
        self.chosen = [stage for stage in learner.stages() if stage.name in names]

    def __call__(self) -> list[Stage]:
        return self.chosen


@click.command()
@click.argument("table", type=Path)
@click.option("--student", default="conv4:16")
@click.option("--teacher", default="conv4")
@click.option("--steps", default=1000)
@click.option("--teacher-steps", default=1000)
@click.option("--softening", multiple=True, type=(float, float), default=[(4.0, 0.9), (10.0, 0.9)])
@click.option("--seed", default=0)
def main(
    table: Path,
    student: str,
    teacher: str,
    steps: int,
    teacher_steps: int,
    softening: list[tuple[float, float]],
    seed: int,
) -> None:
    """Compare students with their network alone; --softening is a temperature and a mixing."""
    torch.set_num_threads(1)
    data = load("glyphs")
    problem = Problem(data.train.item_shape, data.train.classes, TASK)
    options = Distill.Options(backbone=student, teacher_backbone=teacher, steps=steps, teacher_steps=teacher_steps)

    def built(options: Distill.Options) -> Distill:
        torch.manual_seed(seed)
        return Distill(problem, options)

    def note(kind: str, learner: Learner, steps: int, seconds: float, **settings: float) -> None:
        banks = {"validation": data.validation, "test": data.test}
        row = {"student": student, "teacher": teacher, "seed": seed, "kind": kind, "temperature": "", "mixing": ""}
        row |= {**settings, "steps": steps, "processor_seconds": round(seconds, 1)}
        for name, bank in banks.items():
            accuracies = evaluate(learner, EpisodeSampler(bank, TASK, seed=0), TASKS)
            row[name] = round(100 * float(accuracies.mean()), 2)
        add_row(table, row)

    first = built(options)
    first.stages = Staged(first, "teacher")  # type: ignore[method-assign]
    of_teacher = spent(first, data, TASK, seed)
    note("teacher", first.teacher, teacher_steps, of_teacher)

    def trained_alone(kind: str, alone_steps: int) -> float:
        learner = built(replace(options, alone_steps=alone_steps))
        learner.stages = Staged(learner, "alone")  # type: ignore[method-assign]
        seconds = spent(learner, data, TASK, seed)
        assert learner.alone
        note(kind, learner.alone, alone_steps, seconds)
        return seconds

    of_network = trained_alone("alone, equal steps", steps)
    together = []
    for temperature, mixing in softening:
        learner = built(replace(options, temperature=temperature, mixing=mixing, alone_steps=0))
        learner.teacher.load_state_dict(first.teacher.state_dict())
        learner.stages = Staged(learner, "student")  # type: ignore[method-assign]
        together.append(of_teacher + spent(learner, data, TASK, seed))
        note("student", learner, steps, together[-1], temperature=temperature, mixing=mixing)
    trained_alone("alone, equal cost", round(steps * sum(together) / len(together) / of_network))


if __name__ == "__main__":
    main()
