"""What `metabench list` prints but for learners, and `metabench data`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

from episodes.banks.images import ImageBank
from episodes.dataset import PARTS, DataOptions
from episodes.datasets import about, dataset_names, find, get_dataset, load, usage
from episodes.errors import DataError, counted
from episodes.files.cache import made_files
from episodes.places import made_folder
from metabench.backbone import backbone_names, get_backbone
from metabench.cli.config_file import read_config_file
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.objective import get_objective, objective_names
from metabench.sweep.suite import ABOUT, suite_file, suite_names

WIDTH = 120  # of what is wrapped


def datasets() -> str:
    """Every dataset by the name that --dataset takes; a broken one by name."""
    lines = {}
    for name in dataset_names():
        try:
            text = first_line(get_dataset(name))
            lines[usage(name)] = text.partition(": ")[2] or text
        except DataError as error:
            lines[name] = f"broken: {error}"
    width = max(map(len, lines))
    return "\n".join(f"{name:{width}}  {text}" for name, text in lines.items())


def suites() -> str:
    """Every suite with its line."""
    about_each = {name: read_config_file(suite_file(name), "suite")[ABOUT] for name in suite_names()}
    width = max(map(len, about_each))
    return "\n".join(f"{name:{width}}  {text}" for name, text in about_each.items())


def sources() -> str:
    """Every dataset with its documentation: source, licence, files, split; a broken one by name."""
    parts = []
    for name in dataset_names():
        try:
            parts.append(f"{usage(name)}\n{textwrap.indent(about(name), '  ')}")
        except DataError as error:
            parts.append(f"{name}\n  broken: {error}")
    return "\n\n".join(parts)


def status(options: DataOptions) -> str:
    """For every dataset with files of its own, where they are, or what is missing; and how large the cache is."""
    lines = []
    for name in dataset_names():
        try:
            if ":" in usage(name):
                continue  # which of them is not known before they are named
            found = find(name, replace(options, download=False))
            lines.append(f"{name}: in '{found}'" if found else f"{name}: built in")
        except DataError as error:
            lines.append(f"{name}: missing; {error}")
    lines.append(f"cache: {how_much(made_files())} in '{made_folder()}'; `metabench data clear` removes them")
    return "\n".join(lines)


def classes(name: str, options: DataOptions) -> str:
    """The classes of each split of a dataset by name, under their groups where they have any."""
    dataset = load(name, options)
    lines = []
    for part in PARTS:
        bank: ImageBank = getattr(dataset, part)
        lines.append(f"{part}: {counted(bank.classes, 'classes')}")
        if bank.groups == bank.class_names or len(bank.group_members) in (1, bank.classes):
            lines.append(_names(bank.class_names))
            continue
        for group, members in bank.group_members.items():
            lines.append(_names([bank.class_names[number] for number in members], f"{plain(group)}: "))
    return "\n".join(lines)


def _names(names: Iterable[str], title: str = "") -> str:
    return textwrap.fill(title + ", ".join(map(plain, names)), WIDTH, initial_indent="  ", subsequent_indent="    ")


def how_much(files: Mapping[Path, int]) -> str:
    """`2 files of 3.5 MB`, from their bytes."""
    return f"{len(files)} files of {sum(files.values()) / 1e6:,.1f} MB"


def backbones() -> str:
    """Every backbone with the first line of its documentation; a broken one by name."""
    lines = []
    width = max(map(len, backbone_names()))
    for name in backbone_names():
        try:
            lines.append(f"{name:{width}}  {first_line(get_backbone(name))}")
        except UsageError as error:
            lines.append(f"{name:{width}}  broken: {error}")
    return "\n".join([*lines, "NAME:W has W filters (mlp: units) in its first block in place of 64, e.g. conv4:128"])


def objectives() -> str:
    """Every objective of pre-training: what it is, its options with their defaults; a broken one by name."""
    parts = []
    for name in objective_names():
        try:
            objective = get_objective(name)
            parts.append("\n".join([name, f"  {first_line(objective)}", *option_lines(fields(objective.Options))]))
        except UsageError as error:
            parts.append(f"{name}\n  broken: {error}")
    return "\n\n".join(parts)


def option_lines(options: Iterable[Field[Any]]) -> list[str]:
    """Each option with its default and what it is, indented."""
    rows = [(f"    {item.name + '=' + str(item.default):32} ", str(item.metadata.get("help", ""))) for item in options]
    return [textwrap.fill(text, WIDTH, initial_indent=name, subsequent_indent=" " * 37) for name, text in rows]


def first_line(documented: object) -> str:
    """Of its documentation."""
    return (documented.__doc__ or "").strip().split("\n")[0]
