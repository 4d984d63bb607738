"""Where a method comes from: its family, its papers, and the code that it wraps."""

from __future__ import annotations

import re
from typing import Literal

from pydantic.dataclasses import dataclass

VENUE_FIELDS = {"inproceedings": "booktitle", "article": "journal", "book": "publisher", "misc": "howpublished"}


@dataclass(frozen=True)
class Paper:
    """A paper, of which citation and BibTeX are made.

    Attributes:
        authors: as in BibTeX: `Finn, Chelsea and Abbeel, Pieter`.
        title: as printed.
        year: of the venue; without one, of the preprint.
        url: `https://doi.org/…` or `https://arxiv.org/abs/…`.
        venue: conference, journal or publisher; empty for a preprint.
        kind: of entry in BibTeX.
    """

    authors: str
    title: str
    year: int
    url: str
    venue: str = ""
    kind: Literal["inproceedings", "article", "book", "misc"] = "inproceedings"

    @property
    def surnames(self) -> list[str]:
        """Of the authors, in order."""
        return [author.partition(",")[0].strip() for author in self.authors.split(" and ")]

    @property
    def short(self) -> str:
        """`Finn et al. 2017`."""
        first, *others = self.surnames
        return f"{first}{'' if not others else ' et al.' if len(others) > 1 else f' and {others[0]}'} {self.year}"

    @property
    def citation(self) -> str:
        """In one line, with all authors and the address."""
        stop = "" if self.title.endswith("?") else "."
        return f"{', '.join(self.surnames)}. {self.title}{stop} {self.venue or 'Preprint'} {self.year}. {self.url}"

    @property
    def bibtex(self) -> str:
        """The entry; its key is first author, year and first long word of the title: `finn2017model`."""
        word = next(iter(re.findall(r"\w{4,}", self.title)), "")
        key = "".join(re.findall(r"\w", f"{self.surnames[0]}{self.year}{word}")).lower()
        kind = self.kind if self.venue else "misc"
        title, venue = (re.sub(r"([&%#])", r"\\\1", text) for text in (self.title, self.venue))
        values = {"author": self.authors, "title": f"{{{title}}}", VENUE_FIELDS[kind]: venue}
        values |= {"year": str(self.year), "url": self.url}
        rows = "".join(f"  {name} = {{{value}}},\n" for name, value in values.items() if value)
        return f"@{kind}{{{key},\n{rows}}}"


@dataclass(frozen=True)
class Source:
    """Where a learner comes from.

    Attributes:
        family: how knowledge is carried over: `gradient`, `metric`, `closed form`, `transductive`, `in context`,
            `transfer`, `distillation`, or a word of your own.
        papers: the one that it follows first; none for a method that is in no paper.
        wraps: the package whose code does the work, with its licence: `setfit (Apache-2.0)`.
    """

    family: str = "other"
    papers: tuple[Paper, ...] = ()
    wraps: str = ""
