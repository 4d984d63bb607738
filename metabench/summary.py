"""A run in a few lines for the terminal."""

from __future__ import annotations

from metabench.config import describe_task
from metabench.escape import plain
from metabench.measure import Measure
from metabench.records import RunRecord, Score

BAR = 40  # characters of the longest bar


def headline(record: RunRecord) -> str:
    """What was run, and its figure, in one line."""
    score, config = record.score, record.config
    name = plain(f"{config.learner} on {record.dataset.name}, {describe_task(config)}")
    return (
        f"{name}: "
        f"{score.measure.name} {score.measure.interval(score.mean, score.half_width)} "
        f"(95% interval{_ends(score)} over {config.episodes} test tasks)"
    )


def summary(record: RunRecord) -> str:
    """The headline; the learner, its companions and the floors as bars; what the mean does not say; the companions."""
    score, measure = record.score, record.score.measure
    lines = [headline(record), *_not_met(record), "", *_bars(record), "", f"  {tails(record)}"]
    for name, companion in record.companions.items():
        lines.append(
            f"  its {name}: {companion.parameters:,} parameters to the learner's {score.parameters:,}, "
            f"{companion.task_milliseconds:.1f} ms a task to {score.task_milliseconds:.1f}, "
            f"{measure.name} {measure.interval(companion.mean, companion.half_width)}"
        )
    return "\n".join(lines)


def tails(record: RunRecord) -> str:
    """The worst tasks and class, and the calibration, in one line; of a record of version 1 it is empty."""
    score, text = record.score, record.score.measure.text
    parts = {"worst 5% of tasks": score.worst_tasks, "worst class": score.worst_class}
    words = [f"{name} {text(value)}" for name, value in parts.items() if value is not None]
    if score.calibration_error is not None:
        words.append(f"calibration error {text(score.calibration_error)}")
    return ", ".join(words)


def _ends(score: Score) -> str:
    """Where the interval begins and ends, unless that is what ± says."""
    if score.low is None or score.high is None or abs(score.low + score.high - 2 * score.mean) < 1e-9:
        return ""
    return f" {score.measure.text(score.low)} to {score.measure.text(score.high)}"


def _not_met(record: RunRecord) -> list[str]:
    asked = record.config.until_interval
    if asked is None or record.score.half_width <= asked / record.score.measure.scale * 1.000001:
        return []
    return [f"  --until-interval {asked:g} was not met: it takes more tasks than --episodes"]


def _bars(record: RunRecord) -> list[str]:
    measure = record.score.measure
    figures = {plain(record.config.learner): (record.score.mean, record.score.half_width)}
    figures |= {f"its {name}": (each.mean, each.half_width) for name, each in record.companions.items()}
    floors = sorted(record.floors.items(), key=lambda floor: floor[1].mean, reverse=measure.more_is_better)
    figures |= {name: (floor.mean, floor.half_width) for name, floor in floors}
    names, texts = max(map(len, figures)), [_figure(measure, *figure) for figure in figures.values()]
    longest = 1 if measure.percent else max(mean for mean, _ in figures.values()) or 1
    return [
        f"  {name:{names}}  {text:{max(map(len, texts))}}  {'=' * round(BAR * mean / longest)}"
        for (name, (mean, _)), text in zip(figures.items(), texts, strict=True)
    ]


def _figure(measure: Measure, mean: float, half_width: float) -> str:
    interval = f" ± {measure.scale * half_width:.{measure.digits}f}" if half_width else ""
    return f"{measure.scale * mean:.{measure.digits}f}{interval}"
