"""`metabench reproduce`: a record's configuration run again, and whether the figures agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metabench.escape import plain
from metabench.experiment import run_config
from metabench.leaderboard import read_runs
from metabench.reading import read_record, record_file
from metabench.records import RECORD_FILE, RunRecord
from metabench.row import row_of
from metabench.trained import load_again

SAME = 1e-5  # of a task's figure: files keep six digits


@dataclass(frozen=True)
class Reproduction:
    """A record and its repetition.

    Attributes:
        recorded, repeated: the two.
        folder: of the repetition.
        differing: how many tasks have another measure.
        seeds: scores of other training seeds of the same, and the record's own, from the records at hand.
        changes: what is not as it was, in words.
    """

    recorded: RunRecord
    repeated: RunRecord
    folder: Path
    differing: int
    seeds: tuple[float, ...]
    changes: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The repetition's mean less the record's."""
        return self.repeated.score.mean - self.recorded.score.mean

    @property
    def allowed(self) -> float:
        """How far two runs of it may be apart, at 95%.

        Where two or more seeds are known, by their deviation s: t s sqrt(2), for training that does not repeat to the
        bit differs like training from another seed. Else by the intervals over tasks of both.
        """
        if len(self.seeds) > 1:
            reach = stats.t.ppf(0.975, len(self.seeds) - 1) * np.std(self.seeds, ddof=1) * np.sqrt(2)
            return float(reach)
        return float(np.hypot(self.recorded.score.half_width, self.repeated.score.half_width))

    @property
    def agrees(self) -> bool:
        """Whether the figures agree within what they should."""
        return not self.differing or abs(self.difference) <= self.allowed

    def __str__(self) -> str:
        before, after = self.recorded.score, self.repeated.score
        measure, tasks = before.measure, self.repeated.config.episodes
        figures = f"{measure.name} {measure.text(after.mean)}, in the record {measure.text(before.mean)}"
        if not self.differing:
            return f"reproduced: {figures}, the same on each of the {tasks} tasks"
        verdict = "agrees" if self.agrees else "does not agree"
        if len(self.seeds) > 1:
            yardstick = f"what {len(self.seeds)} training seeds differ by allows"
        else:
            yardstick = "the intervals over tasks allow; how far training seeds differ is not known here"
        lines = [
            f"{verdict}: {figures}; a difference of {measure.text(abs(self.difference))}, where up to "
            f"{measure.text(self.allowed)} is what {yardstick}",
            f"{self.differing} of {tasks} tasks came out otherwise; "
            + (
                f"not as it was: {'; '.join(self.changes)}" if self.changes else "versions and machine are the record's"
            ),
        ]
        return "\n".join(lines)


def reproduce(path: Path, *, resume: bool = False, **settings: Any) -> Reproduction:
    """Run a record's configuration again, as a new run, and compare the two.

    On the same machine, device and versions and with as many threads, a run on CPU repeats to the bit.

    Args:
        path: the record, or its folder.
        resume: go on from the checkpoint that an interrupted reproduction left.
        settings: fields of RunConfig for this machine: `data_root`, `tasks`, `output`, `device`, `threads`.

    Raises:
        UsageError, episodes.DataError: the record cannot be read, or data or frozen tasks are not those of the record;
            before any training.
        RunError: as of `metabench.run`.
    """
    file = record_file(path)
    recorded, before = read_record(file)
    config, _, _ = load_again(file.parent, recorded, **settings)
    repeated = run_config(config, resume=resume)
    folder = config.output / repeated.id
    _, after = read_record(folder / RECORD_FILE)
    seeds = _seeds(recorded, (file.parent.parent, config.output), but=folder)
    return Reproduction(
        recorded, repeated, folder, _differing(before, after), seeds, tuple(_changes(recorded, repeated))
    )


def _differing(before: NDArray[np.float64], after: NDArray[np.float64]) -> int:
    shared = min(len(before), len(after))
    close = np.isclose(before[:shared], after[:shared], rtol=SAME, atol=SAME)
    return int((~close).sum()) + abs(len(before) - len(after))


def _seeds(recorded: RunRecord, folders: tuple[Path, ...], but: Path) -> tuple[float, ...]:
    """Scores of the same learner, settings, data and test tasks, one a training seed, the record's own first."""
    scores = {recorded.config.seed: recorded.score.mean}
    wanted = row_of(recorded), recorded.config.test_seed
    for run in itertools.chain.from_iterable(read_runs(folder)[0] for folder in folders):
        if (row_of(run.record), run.record.config.test_seed) == wanted and run.folder != but:
            scores.setdefault(run.record.config.seed, run.record.score.mean)
    return tuple(scores.values())


def _changes(recorded: RunRecord, repeated: RunRecord) -> Iterator[str]:
    before, after = (_facts(record) for record in (recorded, repeated))
    for name in after:
        if before.get(name) != after[name]:
            yield f"{name} {plain(str(before.get(name)), 60)}, now {after[name]}"


def _facts(record: RunRecord) -> dict[str, Any]:
    """What a run's numbers depend on, beside its configuration."""
    packages = record.environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    names = ("python", "platform", "device", "threads", "commit")
    return {
        **{name: versions.get(name) for name in ("metabench", "torch", "numpy")},
        **{name: record.environment.get(name) for name in names},
    }
