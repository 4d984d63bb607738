"""Citations and BibTeX of papers, beside those that their publishers give."""

import dataclasses
import re
from typing import Any

import pytest
from pydantic import ValidationError

from metabench.errors import UsageError
from metabench.learner import Learner, Paper, Source
from metabench.registry import get_learner, learner_names

MAML = Paper("Finn, Chelsea and Abbeel, Pieter and Levine, Sergey", "Model-Agnostic Meta-Learning", 2017, "URL", "ICML")


def test_a_paper_is_cited_by_its_first_author_and_year() -> None:
    assert MAML.short == "Finn et al. 2017"
    assert dataclasses.replace(MAML, authors="Cover, Thomas M. and Hart, Peter E.", year=1967).short == (
        "Cover and Hart 1967"
    )
    assert dataclasses.replace(MAML, authors="van der Maaten, Laurens").short == "van der Maaten 2017"
    assert MAML.citation == "Finn, Abbeel, Levine. Model-Agnostic Meta-Learning. ICML 2017. URL"
    assert dataclasses.replace(MAML, title="Is It?", venue="").citation == (
        "Finn, Abbeel, Levine. Is It? Preprint 2017. URL"
    )


def test_bibtex_has_every_fact_once() -> None:
    assert MAML.bibtex == (
        "@inproceedings{finn2017model,\n"
        "  author = {Finn, Chelsea and Abbeel, Pieter and Levine, Sergey},\n"
        "  title = {{Model-Agnostic Meta-Learning}},\n"
        "  booktitle = {ICML},\n"
        "  year = {2017},\n"
        "  url = {URL},\n"
        "}"
    )
    assert dataclasses.replace(MAML, venue="Systems & Control", kind="article").bibtex.startswith("@article{")
    assert (
        "  journal = {Systems \\& Control},\n"
        in dataclasses.replace(MAML, venue="Systems & Control", kind="article").bibtex
    )
    preprint = dataclasses.replace(MAML, venue="").bibtex
    assert preprint.startswith("@misc{finn2017model,")
    assert "booktitle" not in preprint


def test_a_learner_needs_no_source() -> None:
    assert Learner.source == Source(family="other", papers=(), wraps="")


@pytest.mark.parametrize("source", [{"papers": MAML}, {"papers": "Finn 2017"}, {"family": None}])
def test_a_source_of_other_types_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Source(**source)


class Claimed(Learner):
    source = "Finn et al. 2017"  # type: ignore[assignment]


def test_a_learner_whose_source_is_none_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"its source is 'Finn et al. 2017'; give a metabench.learner.Source, or leave"
    ):
        get_learner(f"{__name__}:Claimed")


SHIPPED = [name for name in learner_names() if get_learner(name).__module__.startswith("baselines.")]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_learner_that_ships_has_its_family_and_papers(name: str) -> None:
    learner = get_learner(name)
    assert learner.source.family == learner.__module__.split(".")[1].replace("_", " ")
    assert "source" in vars(learner), "it would have its base's"
    assert learner.source.papers
    for paper in learner.source.papers:
        assert re.fullmatch(r"https://(arxiv\.org/abs/\d{4}\.\d{4,5}|doi\.org/10\.\d+/\S+)", paper.url), paper.url
        assert re.fullmatch(r"[^,]+, [^,]+( and [^,]+, [^,]+)*", paper.authors), paper.authors
        arxiv = re.search(r"abs/(\d\d)", paper.url)
        assert not arxiv or -1 <= paper.year - 2000 - int(arxiv[1]) <= 3, "paper and preprint are of about one time"


def test_no_two_papers_have_one_key() -> None:
    papers = {paper for name in SHIPPED for paper in get_learner(name).source.papers}
    assert len({paper.bibtex.split(",")[0] for paper in papers}) == len(papers)
