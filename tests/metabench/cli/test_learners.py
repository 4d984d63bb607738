"""`metabench list learners`: all by family, and one in full."""

import re
import sys
from dataclasses import dataclass, fields

import pytest

from metabench.cli.learners import by_family, in_full
from metabench.learner import Learner, TrainingOptions, option
from metabench.registry import get_learner, learner_names


def test_every_learner_is_a_line_under_its_family() -> None:
    family, found = "", {}
    for line in by_family().split("\nother packages, as ")[0].splitlines():
        if line.startswith("  "):
            found[line.split()[0]] = family
        else:
            family = line
    assert found == {name: get_learner(name).source.family for name in learner_names()}
    assert list(dict.fromkeys(found.values())) == sorted(set(found.values()))


def test_transductive_learners_are_marked() -> None:
    families = by_family().split("\nother packages")[0]
    lines = {line.split()[0]: line for line in families.splitlines() if line.startswith("  ")}
    for name, line in lines.items():
        assert (" Transductive." in line) == (get_learner(name).transductive is True), name
    assert " Transductive." in lines["tim"]
    assert "  transductive       yes  " in in_full("tim")


def test_the_methods_of_other_packages_are_listed_by_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("easyfsl")
    assert "\nother packages, as easyfsl:NAME\n  bd_cspn, feat, finetune, " in by_family()
    assert "\nother packages, as l2l:NAME\n  gbml, maml, metasgd\n" in by_family()
    assert "\neach of these, as ensemble:NAME\n  Ensembles of a learner's settings: " in by_family()
    assert in_full("easyfsl:tim").startswith("easyfsl:tim (baselines.adapters.easyfsl:TIM)\n\neasyfsl's tim: ")
    monkeypatch.setitem(sys.modules, "easyfsl", None)
    missing = (
        r"\nother packages, as easyfsl:NAME\n  adapter 'easyfsl' needs the package easyfsl; pip install \"metabench"
    )
    assert re.search(missing, by_family())


def test_one_in_full_has_its_papers_options_presets_and_what_it_declares() -> None:
    page = in_full("maml")
    learner = get_learner("maml")
    assert page.startswith("maml (baselines.gradient.maml:MAML)\n\nLearn initial weights")
    assert "Differs from the paper" in page
    assert "Family: gradient\n" in page
    assert learner.source.papers[0].citation in page.replace("\n", " ")
    assert f"\n{learner.source.papers[0].bibtex}\n" in page
    declared = dict(line.split()[:2] for line in page.split("Declared")[1].split("\n\n")[0].splitlines()[1:])
    assert declared == {
        "kinds": "images,",
        "regression": "yes",
        "transductive": "no",
        "label_equivariant": "no",
        "outside_data": "no",
        "fixed_ways": "yes",
        "semi_supervised": "no",
    }
    own, shared = page.split("Its own options")[1].split("Other defaults")[0].split("Options of every learner:")
    for item in fields(learner.Options):
        part = shared if item.name in {each.name for each in fields(TrainingOptions)} else own
        assert f"    {item.name}={item.default} " in part
        assert item.metadata["help"] in " ".join(part.split())
    assert "\n  on sinusoid: backbone=mlp:40, steps=70000," in page
    assert "Wraps: setfit (Apache-2.0)\n" in in_full("setfit")


class Bare(Learner):
    @dataclass(frozen=True)
    class Options(TrainingOptions):
        size: int = option(3, "how large")

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        return False


def test_a_learner_that_says_nothing_has_a_page_too() -> None:
    page = in_full(f"{__name__}:Bare")
    assert page.splitlines()[:3] == [f"{__name__}:Bare ({__name__}:Bare)", "", "Family: other"]
    assert "  transductive       depends on its options  " in page
    assert "    size=3 " in page
    assert "Other defaults" not in page
    assert "Base of all learners" not in page
