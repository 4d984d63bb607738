"""The YAML file of --config: text as it is written, so that it means what the command line would.

YAML's own guesses are not followed: `no` is a class's name and not false, `010` is ten and not eight. Each value is
read by the setting that it is for. Keys come once, and aliases and tags are not read.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from episodes.errors import nearest
from metabench.config import SECTION_OF, SECTIONS
from metabench.errors import UsageError
from metabench.escape import plain

MOST_BYTES = 2**20
NOTHING = ("", "~", "null")  # as values: not given
SHORT = ("backbone", "steps", "weights")  # for options


class _Loader(yaml.BaseLoader):
    """All scalars are text; no aliases, no tags, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        place = f"line {event.start_mark.line + 1}"
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"{place} has an alias (*); write it out")
        if getattr(event, "tag", None):
            raise yaml.YAMLError(f"{place} has a tag ({event.tag}); leave it out")
        if self.check_event(yaml.ScalarEvent) and event.style and not event.value:
            raise yaml.YAMLError(f"{place} has an empty text; give a value, or leave it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value if isinstance(key, yaml.ScalarNode) else "" for key, _ in node.value]
        names = [name.replace("-", "_") for name in names]
        for name, (key, _) in zip(names, node.value, strict=True):
            if names.count(name) > 1:
                raise yaml.YAMLError(
                    f"line {key.start_mark.line + 1} has '{name}' a second time; leave one of them out"
                )
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def read_config_file(path: Path, what: str = "--config") -> dict[str, Any]:
    """The settings of a YAML file, in RunConfig's sections or by themselves; those of `SHORT` stand for options.

    Args:
        path: of the file.
        what: it is, for messages.

    Raises:
        UsageError: a file that is missing, unreadable or not text, bad YAML, or not a mapping.
    """
    file = f"{what} '{path}'"
    try:
        content = yaml.load(_text(path, what), _Loader)
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not valid YAML: {plain(' '.join(str(error).split()), 200)}") from None
    except RecursionError:
        raise UsageError(f"{file} is nested too deep; write lines like 'learner: maml'") from None
    if not isinstance(content, dict):
        raise UsageError(f"{file} must hold lines like 'learner: maml'; found {_kind(content)}")
    settings: dict[str, Any] = {}
    for key, value in _given(content, file):
        name = key.replace("-", "_")
        of_section = name in SECTIONS and isinstance(value, dict)
        for inner, each in _in_section(file, name, value) if of_section else [(name, value)]:
            if inner in settings:
                raise UsageError(f"{file} has '{inner}' twice; leave one of them out")
            settings[inner] = each
    options = settings.get("options", {})
    if not isinstance(options, dict):
        raise UsageError(f"{file}: options must be lines like 'inner_steps: 5'; found {plain(str(options), 100)}")
    options = {key.replace("-", "_"): value for key, value in _given(options, file)}
    short = {name: settings.pop(name) for name in SHORT if name in settings}
    for name in short.keys() & options.keys():
        raise UsageError(f"{file} has '{name}' twice, by itself and under options; leave one of them out")
    return {**settings, "options": {**options, **short}}


def _in_section(file: str, section: str, content: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    known = [name for name, home in SECTION_OF.items() if home == section]
    for key, value in _given(content, file):
        name = key.replace("-", "_")
        if name not in known:
            home = SECTION_OF.get(name)
            place = "" if home is None else f"; it goes under '{home}:'" if home else "; it goes outside of sections"
            raise UsageError(
                f"{file}: there is no setting '{plain(name, 60)}' under '{section}:'{place or nearest(name, known)}"
            )
        yield name, value


def _given(mapping: dict[Any, Any], file: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise UsageError(f"{file}: a key must be the name of a setting; found {plain(str(key), 100)}")
        if value not in NOTHING:
            yield key, value


def _text(path: Path, what: str) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"cannot read {what} '{path}': it is not a regular file")
        if status.st_size > MOST_BYTES:
            raise UsageError(f"cannot read {what} '{path}': it has more than {MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UsageError:
        raise
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {what} '{path}': it is not text in UTF-8 (byte {error.start})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"cannot read {what} '{path}': {getattr(error, 'strerror', None) or error}") from None


def _kind(content: object) -> str:
    return {list: "a list", str: "text", type(None): "nothing"}.get(type(content), type(content).__name__)
