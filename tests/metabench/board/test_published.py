"""Papers' values and papers' addresses: what the package has, what the docs say, and what the page shows of them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from metabench.board.published import Published, published
from metabench.board.sources import sources, web
from metabench.registry import get_learner, learner_names
from tests.conftest import PROJECT
from tests.made_rows import make_row, opened

RESULTS = (PROJECT / "docs" / "results.md").read_text(encoding="utf-8")


def test_each_value_is_of_a_paper_that_the_learners_name() -> None:
    papers = {paper for name in learner_names() for paper in get_learner(name).source.papers}
    known = {(paper.short, paper.url) for paper in papers}
    for each in published():
        assert not each.learner or (each.source, each.url) in known, each
        assert not each.learner or each.learner in learner_names(), each
        assert each.url == web(each.url) != "", each
        assert re.fullmatch(r"\d+\.\d+", each.value), each
        assert (each.metric == "accuracy") == (float(each.value) > 10), each
    of = [(each.dataset, each.task, each.ways, each.shots, each.method) for each in published()]
    assert len(set(of)) == len(of)


def value(learner: str, dataset: str, ways: int, shots: int, method: str | None = None) -> Published | None:
    found = [
        each
        for each in published()
        if (each.learner, each.dataset, each.ways, each.shots) == (learner, dataset, ways, shots)
        and method in (None, each.method)
    ]
    return found[0] if found else None


def test_the_docs_have_these_values_beside_ours() -> None:
    beside = RESULTS.split("## Beside the papers")[1].split("\n## ")[0]
    rows = 0
    for dataset, part in zip(("omniglot", "mini-imagenet"), beside.split("On `")[1:], strict=True):
        assert part.startswith(f"{dataset}`")
        table = re.findall(r"^\| `(\w+)`.*? \| (\d+)-way (\d+)-shot \| ([\d.]*) ?\|", part, re.M)
        for learner, ways, shots, printed in table:
            found = value(learner, dataset, int(ways), int(shots))
            assert printed == (found.value if found else ""), (learner, dataset, ways, shots)
            rows += bool(found)
    assert rows == 7
    for method, words in (("MAML", r"`maml`"), ("Pre-trained on all tasks", r"`maml --set inner_steps=0`.*?")):
        found = value("maml", "sinusoid", 1, 5, method)
        assert found
        assert re.search(rf"^\| {words} \| .*? \| {found.value} \|", RESULTS, re.M)


def test_the_docs_have_the_published_values_of_all_intents() -> None:
    for title in re.findall(r"^\| (.*?) \(published\) \|", RESULTS, re.M):
        (line,) = re.findall(rf"^\| {re.escape(title)} \(published\) \|(.*)\|$", RESULTS, re.M)
        method = re.sub(r" \(.*?\)", "", title)
        values = {(each.dataset, each.shots): each.value for each in published() if each.method == method}
        tasks = [(dataset, shots) for dataset in ("banking77", "clinc150") for shots in (5, 10)]
        assert [cell.strip() for cell in line.split("|")] == [values.get(task, "") for task in tasks], title


def test_sources_are_of_registered_learners_alone() -> None:
    found = sources(["protonet", "os:system", "__proto__", "easyfsl:tim"])
    assert set(found) == {"protonet"}
    assert found["protonet"]["papers"][0]["url"] == "https://arxiv.org/abs/1703.05175"
    assert found["protonet"]["bibtex"].startswith("@inproceedings{snell2017prototypical,")
    assert found["protonet"]["code"] == "baselines.metric.protonet:ProtoNet"
    assert [web(url) for url in ("javascript:alert(1)", "http://a.org", "https://a b", "https://a.org")] == [
        *[""] * 3,
        "https://a.org",
    ]


def test_the_page_shows_them_apart_from_results_and_hides_them(browser: Browser, tmp_path: Path) -> None:
    rows = [
        make_row("protonet", 98, 97, 99, dataset="omniglot"),
        make_row("b", 97, 96, 98, dataset="omniglot"),
        make_row("b", 97, 96, 98, dataset="omniglot", shots=7),
    ]
    with opened(browser, tmp_path, rows) as shown:
        printed = [each for each in published() if (each.dataset, each.ways, each.shots) == ("omniglot", 5, 1)]
        lines = shown.locator("#table tr.published")
        assert shown.locator("#table tr.row .name").all_inner_texts() == [
            "protonet",
            "b",
            *(each.method for each in printed),
            "b",
        ]
        assert lines.locator(".score").all_inner_texts() == [each.value for each in printed]
        assert lines.locator(".rank").all_inner_texts() == [""] * len(printed)
        assert set(lines.locator(".tag").all_inner_texts()) == {"published"}
        links = lines.locator("a").evaluate_all("all => all.map(one => [one.href, one.rel, one.textContent])")
        assert links == [[each.url, "noopener noreferrer", each.source] for each in printed]
        assert shown.locator("#intervals .mark").count() == 3
        assert "Reptile" not in shown.locator("#matrix").inner_text()
        assert shown.locator("#count").inner_text() == f"3 rows of 3, and {len(printed)} published values"
        shown.locator("#table th[data-key=score] button").click()
        means = shown.locator("#table tr.row .score").evaluate_all("all => all.map(one => parseFloat(one.textContent))")
        assert means == sorted(means, reverse=True)
        shown.locator("#transductive").select_option("true")
        assert lines.locator(".name").all_inner_texts() == ["MAML", "First-order MAML", "Reptile"]
        shown.locator("#published").uncheck()
        assert lines.count() == 0
        shown.reload()
        assert not shown.locator("#published").is_checked()
        shown.get_by_role("button", name="Reset").click()
        assert lines.count() == len(printed)
        _opened_row_has_papers(shown)


def _opened_row_has_papers(shown: Page) -> None:
    shown.locator("#table .opener", has_text="protonet").click()
    papers = shown.locator(".details .papers")
    assert papers.locator("a").first.get_attribute("href") == "https://arxiv.org/abs/1703.05175"
    assert "Code: baselines.metric.protonet:ProtoNet" in papers.inner_text()
    shown.locator(".details summary", has_text="BibTeX").click()
    assert shown.locator(".details .bibtex pre").inner_text() == sources(["protonet"])["protonet"]["bibtex"]
    assert "2026-01-01" in shown.locator("#table tr.row", has_text="protonet").inner_text()


@pytest.mark.parametrize("shown", [("reference", 1280, "light")], indirect=True)
def test_the_head_stays_in_sight(shown: Page) -> None:
    shown.locator("#table tr.row").nth(40).scroll_into_view_if_needed()
    head = shown.locator("#table thead th").first.bounding_box()
    assert head
    assert head["y"] == pytest.approx(0, abs=1)
