"""Pages of texts in a real Chromium: nothing in a text runs, and the text shows."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from metabench.escape import readable
from metabench.texts.html import Page, Table, html
from metabench.texts.mistakes import Mistake
from metabench.texts.spans import Span, marked, pieces
from tests.hostile_texts import HOSTILE
from tests.made_rows import shown_page
from tests.metabench.texts.test_terminal import made_task

TABLE = Table("Classes", ["class", "accuracy %"], [(HOSTILE[0], "99.00"), (HOSTILE[3], "1.00")], [False, True])
EVERYTHING = Page(
    title=f"title {HOSTILE[0]}",
    notes=[HOSTILE[1]],
    tables=[TABLE],
    mistakes=[Mistake(pieces(text), HOSTILE[2], HOSTILE[0], 0.987) for text in HOSTILE],
    mistakes_title=f"mistakes {HOSTILE[1]}",
    tasks=[made_task()],
    data=True,
)


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light")])
def test_hostile_texts_show_and_run_nothing(width: int, scheme: str, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html(EVERYTHING))
    size = {"width": width, "height": 844}
    with shown_page(browser, tmp_path / "page.html", viewport=size, color_scheme=scheme) as shown:
        assert shown.evaluate("window.hit") is None
        text = shown.locator("body").inner_text()
        for each in HOSTILE[:-1]:
            assert " ".join(readable(each, 1000).split())[:300] in " ".join(text.split())
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        names = "names => names.filter(name => document.querySelector(name))"
        assert shown.evaluate(names, ["img", "svg", "a", "iframe", "form", "object", "link"]) == []
        scripts = shown.locator("script").evaluate_all("all => all.map(each => each.type)")
        assert scripts == ["application/json"]
        assert shown.locator("style").count() == 1
        assert shown.locator("bdi mark u").all_inner_texts().count("<b>") == 2 * 3 + 1


def test_each_text_has_a_direction_of_its_own(browser: Browser, tmp_path: Path) -> None:
    """A confidence stays where it is, whatever text is beside it."""
    mistakes = [Mistake(pieces(HOSTILE[8]), "c", name, 0.987) for name in ("a", HOSTILE[3], HOSTILE[8])]
    page = Page(title="t", mistakes=mistakes, mistakes_title="Mistakes")
    (tmp_path / "page.html").write_text(html(page))
    with shown_page(browser, tmp_path / "page.html") as shown:
        says = "all => all.map(each => getComputedStyle(each).unicodeBidi)"
        assert set(shown.locator("bdi").evaluate_all(says)) == {"isolate"}
        said = shown.locator(".said").evaluate_all(
            "all => all.map(each => [...each.children].map(child => child.getBoundingClientRect().left))"
        )
        assert len(said) == 3
        assert all(places == sorted(places) for places in said)


def test_even_markup_in_the_page_would_run_nothing(browser: Browser, tmp_path: Path) -> None:
    """The page's own policy stands behind the escaping."""
    injected = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'></body>"
    (tmp_path / "broken.html").write_text(html(EVERYTHING).replace("</body>", injected))
    opened, said = browser.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto((tmp_path / "broken.html").as_uri())
    assert opened.evaluate("window.hit") is None
    assert sum("Content Security Policy" in line for line in said) == 3  # the script, the picture, its handler
    opened.close()


def test_predictions_and_spans_are_seen(browser: Browser, tmp_path: Path) -> None:
    answer = marked("in 1815, in London", [Span(3, 7, "answer")])
    mistakes = [Mistake(answer, "year", "place", 0.75)]
    page = Page(title="t", tasks=[made_task(["where", "when", "who"])], mistakes=mistakes, mistakes_title="Mistakes")
    (tmp_path / "page.html").write_text(html(page))
    with shown_page(browser, tmp_path / "page.html") as shown:
        assert shown.locator(".class").count() == 4  # the unlabelled too
        wrong, right = shown.locator(".class .wrong"), shown.locator(".class .right")
        assert (wrong.count(), right.count()) == (3, 6)
        assert wrong.first.inner_text().split() == ["✗", "class", "when", "10.0%", "when"]
        assert shown.get_by_label("wrong").count() == 4
        assert shown.locator("mark").inner_text().split() == ["1815", "answer"]
        assert shown.locator("section:not(.class) .said").inner_text() == "✗ place 75.0% true class year"
