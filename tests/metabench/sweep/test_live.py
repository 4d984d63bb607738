import http.client
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from metabench.sweep import live as module
from metabench.sweep.live import HOST, live
from tests.made_records import UNTRAINED, write_run


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with live(tmp_path) as found:
        yield found


def ask(address: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_it_answers_this_machine_alone_and_by_its_own_name(address: str) -> None:
    assert address.startswith(f"http://{HOST}:")
    assert ask(address)[0] == 200
    port = address.rstrip("/").rpartition(":")[2]
    assert ask(address, Host=f"localhost:{port}")[0] == 200
    assert ask(address, Host="attacker.example")[0] == 404
    assert ask(address, Host=f"attacker.example:{port}")[0] == 404


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/etc/passwd", "GET", 404), ("/../x", "GET", 404), ("/", "POST", 501)]
)
def test_it_has_one_page_and_takes_nothing(address: str, path: str, method: str, status: int) -> None:
    assert ask(address, path, method)[0] == status


def test_two_sweeps_have_a_page_each(address: str, tmp_path: Path) -> None:
    with live(tmp_path / "other") as other:
        assert other != address
        assert "There is no record in" in ask(other)[1]


def test_the_page_has_new_records_and_keeps_what_was_chosen(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELOAD_AFTER", 1)
    scores = np.random.default_rng(0).uniform(0.4, 0.6, 20)
    write_run(tmp_path / "one", scores, learner="protonet", **UNTRAINED)
    with live(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}#search=o")
        page.locator("#table tbody tr").first.wait_for(state="attached", timeout=20_000)
        assert "maml_own" not in ask(address)[1]
        write_run(tmp_path / "deeper" / "two", scores, learner="maml_own", **UNTRAINED)
        page.get_by_text("maml_own").first.wait_for(state="attached", timeout=20_000)
        assert page.input_value("#search") == "o"
        page.close()


def test_hostile_names_of_folders_are_text(tmp_path: Path) -> None:
    with live(tmp_path / "<script>alert(1)</script>") as address:
        assert "<script>" not in ask(address)[1]
