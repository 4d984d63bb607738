"""A run in a few lines for the terminal."""

from __future__ import annotations

from metabench.config import describe_task
from metabench.escape import plain
from metabench.metrics.metric import METRICS, _alike, with_interval
from metabench.records.record import Floor, RunRecord, Score

BAR = 40  # characters of the longest bar


def headline(record: RunRecord) -> str:
    """What was run, and its value, in one line."""
    score, config = record.score, record.config
    over = "the queries of its one test task" if config.test.episodes == 1 else f"{config.test.episodes} test tasks"
    name = plain(f"{config.learner} on {record.dataset.name}, {describe_task(config, record.regression)}")
    return f"{name}: {METRICS[score.metric].label} {_interval(score)} (95% interval{_ends(score)} over {over})"


def summary(record: RunRecord) -> str:
    """The headline; the learner, its companions and the floors as bars; what the mean does not say; the companions."""
    score, metric = record.score, record.scored_by
    lines = [headline(record), *_not_met(record), *_broken(record), "", *_bars(record), "", f"  {tails(record)}"]
    for name, companion in record.companions.items():
        lines.append(
            f"  its {name}: {companion.parameters:,} parameters to the learner's {score.parameters:,}, "
            f"{companion.task_milliseconds:.1f} ms per task to {score.task_milliseconds:.1f}, "
            f"{metric.label} {metric.interval(companion.mean, companion.half_width)}"
        )
    return "\n".join(lines)


def tails(record: RunRecord) -> str:
    """Exact match, the worst tasks and class, and the calibration in one line; of a record of version 1 it is empty."""
    score, text = record.score, record.scored_by.text
    worst = score.worst_tasks if record.config.test.episodes != 1 else None
    parts = {"exact match": score.exact_match, "worst 5% of tasks": worst, "worst class": score.worst_class}
    words = [f"{name} {text(value)}" for name, value in parts.items() if value is not None]
    if score.calibration_error is not None:
        words.append(f"calibration error {text(score.calibration_error)}")
    return ", ".join(words)


def _ends(score: Score) -> str:
    """Where the interval begins and ends, unless that is what ± says."""
    if score.low is None or score.high is None or _symmetric(score):
        return ""
    return f" {METRICS[score.metric].text(score.low)} to {METRICS[score.metric].text(score.high)}"


def _symmetric(score: Score) -> bool:
    """Whether ± says well enough where its interval begins and ends."""
    if score.low is None or score.high is None:
        return True
    return _alike(score.mean - score.low, score.high - score.mean, METRICS[score.metric])


def _interval(score: Score) -> str:
    """The mean with ±, or alone where both ends of its interval are told."""
    return (
        METRICS[score.metric].interval(score.mean, score.half_width)
        if _symmetric(score)
        else METRICS[score.metric].text(score.mean)
    )


def _not_met(record: RunRecord) -> list[str]:
    asked = record.config.test.until_interval
    if asked is None or record.score.half_width <= asked / record.scored_by.scale * 1.000001:
        return []
    return [f"  --until-interval {asked:g} was not met: it takes more tasks than --episodes"]


def _broken(record: RunRecord) -> list[str]:
    if not record.contract:
        return []
    points = plain("; ".join(record.contract), 500)
    return [f"  it breaks the contract of learners once trained, and gets no rank: {points}"]


def _bars(record: RunRecord) -> list[str]:
    metric = record.scored_by
    values = {plain(record.config.learner): _arms(record.score)}
    values |= {f"its {name}": _arms(each) for name, each in record.companions.items()}
    floors = sorted(record.floors.items(), key=lambda floor: floor[1].mean, reverse=metric.more_is_better)
    values |= {name: _arms(floor) for name, floor in floors}
    names, texts = max(map(len, values)), [with_interval(metric, *value) for value in values.values()]
    longest = 1 if metric.percent else max(mean for mean, *_ in values.values()) or 1
    return [
        f"  {name:{names}}  {text:{max(map(len, texts))}}  {'=' * round(BAR * mean / longest)}"
        for (name, (mean, *_)), text in zip(values.items(), texts, strict=True)
    ]


def _arms(score: Score | Floor) -> tuple[float, float, float]:
    """The mean, and how far its interval reaches below and above it; of a floor's, which has none of its own, ±."""
    if isinstance(score, Score) and score.low is not None and score.high is not None:
        return score.mean, score.mean - score.low, score.high - score.mean
    return score.mean, score.half_width, score.half_width
