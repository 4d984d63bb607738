"""Bundles: what is in them, and what of strangers' ones is refused before anything is added."""

import json
import os
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.records.bundle import MANIFEST_FILE, write_bundle
from metabench.records.checkpoint import save_tensors
from metabench.records.submissions import add_records
from tests.made_records import UNTRAINED, write_run

Members = dict[str, bytes]
RUN = "a-run"


def make_run(folder: Path) -> Path:
    write_run(folder, np.random.default_rng(0).integers(0, 76, 50) / 75, learner="mine", **UNTRAINED)
    save_tensors(folder / "learner.pt", {"config": {}, "learner": {"weight": torch.zeros(3)}})
    (folder / "secret.txt").write_text("not of a run")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle([make_run(tmp_path / "runs" / RUN)], tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def rewrite(bundle: Path, change: Callable[[Members, dict[str, Any]], None], *, honest: bool = True) -> None:
    """Change a bundle's files and its manifest; `honest` manifests have the digests of what is there."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST_FILE))
    change(members, manifest)
    if honest:
        manifest["runs"] = {}
        for name, content in members.items():
            run, _, file = name.rpartition("/")
            facts = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
            manifest["runs"].setdefault(run, {})[file] = facts
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_FILE, json.dumps(manifest))
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_bundle_has_the_files_of_runs_and_their_digests(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read(MANIFEST_FILE))
        names = {f"{RUN}/{name}" for name in ("record.json", "scores.csv", "learner.pt")}
        assert set(archive.namelist()) == {MANIFEST_FILE, *names}
        for name, facts in manifest["runs"][RUN].items():
            content = archive.read(f"{RUN}/{name}")
            assert content == (tmp_path / "runs" / RUN / name).read_bytes()
            assert facts == {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    assert set(manifest["versions"]) == {"python", "metabench", "torch", "numpy"}


def test_what_is_in_it_is_added_without_a_rank(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "--results", str(tmp_path / "results"), "--add", str(bundle)])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    made = tmp_path / "results" / "added" / "bundle" / RUN
    assert f"`metabench verify {made}`" in printed
    assert "unverified]" in printed
    assert {path.name for path in made.iterdir()} == {"record.json", "scores.csv", "learner.pt", "added.json"}
    assert (made / "learner.pt").read_bytes() == (tmp_path / "runs" / RUN / "learner.pt").read_bytes()
    assert add_records(bundle, tmp_path / "results").known == 1


def test_runs_of_one_name_are_kept_apart_and_none_is_sent_that_cannot_be_verified(tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "one" / "run"), make_run(tmp_path / "other" / "run")
    assert set(write_bundle([one, other, one / "record.json"], tmp_path / "two.zip").runs) == {"run", "run-2"}
    (other / "learner.pt").unlink()
    with pytest.raises(UsageError, match="there is no trained learner"):
        write_bundle([other], tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()


def changed(members: Members, manifest: dict[str, Any]) -> None:
    members[f"{RUN}/scores.csv"] = members[f"{RUN}/scores.csv"].replace(b"0.", b"1.", 1)


def extra(members: Members, manifest: dict[str, Any]) -> None:
    members["setup.py"] = b"import os"


def missing(members: Members, manifest: dict[str, Any]) -> None:
    del members[f"{RUN}/scores.csv"]


def later(members: Members, manifest: dict[str, Any]) -> None:
    manifest["version"] = 2


def moved(to: str) -> Callable[[Members, dict[str, Any]], None]:
    def move(members: Members, manifest: dict[str, Any]) -> None:
        for name in list(members):
            members[name.replace(RUN, to)] = members.pop(name)

    return move


def filled(members: Members, manifest: dict[str, Any]) -> None:
    members[f"{RUN}/record.json"] += b" " * 2**24


REFUSED: dict[str, tuple[Callable[[Members, dict[str, Any]], None], bool, str]] = {
    "another file": (changed, False, "scores.csv is not the file of the manifest"),
    "one more": (extra, False, "its files are not those of its manifest"),
    "one fewer": (missing, False, "its files are not those of its manifest"),
    "a run without a record": (
        lambda _, manifest: manifest["runs"].update({"empty": {}}),
        False,
        "its run 'empty' has no record.json",
    ),
    "a later version": (later, True, "manifest.json: version: "),
    "out of the folder": (moved("../evil"), True, "manifest.json: runs.../evil"),
    "from the root": (moved("/evil"), True, "manifest.json: runs./evil"),
    "by a backslash": (moved("..\\evil"), True, "manifest.json: runs...\\evil"),
    "the folder itself": (moved(".."), True, "manifest.json: runs..."),
    "a file that no run has": (lambda members, _: members.update({f"{RUN}/x.py": b""}), True, "manifest.json: runs"),
    "a bomb": (filled, True, "its files have 16,7"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_as_it_says_is_refused_as_a_whole(bundle: Path, tmp_path: Path, name: str) -> None:
    change, honest, message = REFUSED[name]
    rewrite(bundle, change, honest=honest)
    with pytest.raises(UsageError) as refused:
        add_records(bundle, tmp_path / "results")
    assert message in str(refused.value)
    assert not (tmp_path / "results").exists()
    assert not list(tmp_path.glob("**/*evil*"))


def test_a_header_that_understates_a_size_does_not_help(bundle: Path, tmp_path: Path) -> None:
    def declare(members: Members, manifest: dict[str, Any]) -> None:
        facts = manifest["runs"][RUN]["scores.csv"]
        facts |= {"bytes": 10, "sha256": sha256(members[f"{RUN}/scores.csv"][:10]).hexdigest()}

    rewrite(bundle, declare, honest=False)
    with pytest.raises(UsageError, match=r"scores.csv has \d+ bytes, and 10 in the manifest"):
        add_records(bundle, tmp_path / "results")
    content = bytearray(bundle.read_bytes())
    place = content.rindex(f"{RUN}/scores.csv".encode()) - 46  # its entry of the central directory
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    bundle.write_bytes(bytes(content))
    with pytest.raises(UsageError, match="it is damaged, or no ZIP archive"):
        add_records(bundle, tmp_path / "results")


def test_other_compressions_and_other_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(MANIFEST_FILE, "{}")
    (tmp_path / "text.zip").write_text("not a ZIP archive")
    for path, message in (("lzma.zip", "compressed otherwise"), ("text.zip", "it is damaged")):
        with pytest.raises(UsageError, match=message):
            add_records(tmp_path / path, tmp_path / "results")


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["HARM"],)


def test_weights_run_no_code_and_are_no_bomb(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARM", str(tmp_path / "harmed"))
    weights = tmp_path / "weights.pt"
    torch.save({"config": {}, "learner": {"weight": Harm()}}, weights)
    packed = tmp_path / "packed.pt"
    given = tmp_path / "runs" / RUN / "learner.pt"
    with zipfile.ZipFile(given) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("archive/more", bytes(2**16))
    for path, message in ((weights, "is not a complete trained learner"), (packed, "it holds more than its size")):
        rewrite(bundle, lambda members, _, path=path: members.update({f"{RUN}/learner.pt": path.read_bytes()}))  # type: ignore[misc]
        done = add_records(bundle, tmp_path / "results")
        assert done.folders == []
        (problem,) = done.problems
        assert problem.startswith(f"'{bundle}/{RUN}/learner.pt'")
        assert message in problem
    assert not (tmp_path / "harmed").exists()


def test_a_pipe_in_place_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / RUN)
    (run / "learner.pt").unlink()
    os.mkfifo(run / "learner.pt")
    with pytest.raises(UsageError, match="there is no trained learner in"):
        write_bundle([run], tmp_path / "bundle.zip")


def test_a_refusal_is_said_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(UsageError) as caught:
        add_records(tmp_path / "other.zip", tmp_path / "results")
    assert str(caught.value).count("is not a bundle that can be taken") == 1
    assert "damaged" not in str(caught.value)
