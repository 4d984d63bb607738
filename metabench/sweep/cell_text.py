"""A cell as text, in which it travels to other machines: plain values, of which nothing is run where they are read."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from metabench.config import SECTION_OF, RunConfig
from metabench.records.selection import Selection
from metabench.sweep.cells import Cell


def write_cell(cell: Cell) -> str:
    """JSON of a cell, with the settings that were given, places on this machine too."""
    sections: dict[str, Any] = {}
    for name, value in cell.config.given.items():
        home = sections.setdefault(SECTION_OF[name], {}) if SECTION_OF[name] else sections
        home[name] = str(value) if isinstance(value, Path) else value
    facts = {item.name: getattr(cell, item.name) for item in fields(Cell)}
    selection = cell.selection and cell.selection.model_dump(mode="json")
    return json.dumps({**facts, "config": sections, "selection": selection})


def read_cell(text: str) -> Cell:
    """The cell that `write_cell` had."""
    facts = json.loads(text)
    selection = facts["selection"] and Selection.model_validate(facts["selection"])
    return Cell(**{**facts, "config": RunConfig.model_validate(facts["config"]), "selection": selection})
