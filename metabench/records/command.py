"""The command that repeats a run, from the configuration in its record."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from episodes.names import join_names
from metabench.config import NOT_RECORDED, SETTINGS, RunConfig
from metabench.escape import is_plain
from metabench.records.record import RunRecord

LONGEST = 10_000  # characters; a shell takes more, a reader does not
FIRST = ("learner", "dataset", "ways", "shots")  # said even where they are the defaults


def command(record: RunRecord) -> str | None:
    """The command line of `metabench run`, for a POSIX shell, with every option of the learner.

    So it repeats the run after the defaults have changed too. Places on the machine (`--data-root`, `--output`, and
    the file of frozen tasks) are not part of a record and are left to the reader.

    Returns:
        The command; None where the record's text holds control characters, which are not to be pasted into a
        terminal, or is too long.
    """
    words = list(_words(record.config, record.regression))
    line = shlex.join(["metabench", "run", *words])
    return line if len(line) <= LONGEST and all(map(is_plain, words)) else None


def _words(config: RunConfig, regression: bool) -> Iterator[str]:
    names = [name for name in SETTINGS if name not in (*FIRST, "options")]
    for name in (*FIRST, *names):
        value, default = config[name], SETTINGS[name].default
        if name in NOT_RECORDED or (name not in FIRST and value == default) or (name == "ways" and regression):
            continue
        if name == "episodes" and config.test.until_interval:  # as many as it took, which would be the most that it may
            continue
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield option  # all flags are off by default
        else:
            for each in value if isinstance(value, tuple) else (value,):
                yield from _option(option, join_names(each) if isinstance(each, tuple) else str(each))
    for key, value in config.options.items():
        yield from _option("--set", f"{key}={_text(value)}")


def _option(name: str, value: str) -> tuple[str, ...]:
    return (f"{name}={value}",) if value.startswith("-") else (name, value)


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
