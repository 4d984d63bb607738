"""`metabench pretrain`, and what it says."""

from pathlib import Path

import pytest

from metabench.cli.main import main
from metabench.weights.encoder_file import read_weights

QUICK = ["--backbone", "bert-tiny", "--batch-size", "16", "--steps", "2", "--threads", "1"]
MADE = ["--dataset", "tests.made_texts:made"]


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


def test_from_texts_to_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(f"line of number {number}" for number in range(30)))
    masked, simcse = tmp_path / "masked.safetensors", tmp_path / "simcse.safetensors"
    texts = [*MADE, "--text", str(tmp_path / "lines.txt"), "--vocabulary", "200", "--whole-word"]
    code, out, _ = said(["pretrain", "masked-text", *texts, *QUICK, "-o", str(masked)], capsys)
    assert code == 0
    assert "masked-text on tests.made_texts:made+lines.txt: validation perplexity " in out
    assert f"weights: {masked}" in out
    assert read_weights(masked).about.stages[0].config["options"]["whole_word"] is True
    words = [*MADE, "--weights", str(masked), "--batch-size", "8", "--steps", "2", "--set", "temperature=0.1"]
    code, out, _ = said(["pretrain", "simcse", *words, "-o", str(simcse)], capsys)
    assert code == 0
    assert "validation contrastive loss" in out
    run = ["run", *MADE, "--learner", "protonet", "--backbone", "bert-tiny", "--weights", str(simcse), "--steps", "1"]
    small = [
        "--set",
        "train_ways=3",
        "--ways",
        "3",
        "--queries",
        "4",
        "--episodes",
        "4",
        "--validation-episodes",
        "2",
        "--threads",
        "1",
    ]
    code, out, _ = said([*run, *small, "--output", str(tmp_path / "results")], capsys)
    assert code == 0
    assert "protonet on tests.made_texts:made, 3-way 1-shot" in out


def test_from_pictures_to_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / "simclr.safetensors"
    small = ["--backbone", "conv4:4", "--threads", "1", "--steps", "1"]
    made = ["--dataset", "tests.made_pictures:made", "--image-size", "20", "--channels", "3"]
    words = ["pretrain", "simclr", *made, *small, "--batch-size", "16", "--set", "flip=true", "-o", str(weights)]
    code, out, _ = said(words, capsys)
    assert code == 0
    assert "simclr on tests.made_pictures:made: validation neighbour error 0." in out
    assert "conv4:4 on 60 images of 20 x 20; 60 for validation" in out
    assert read_weights(weights).about.stages[0].config["options"]["flip"] is True
    run = ["run", *made, "--learner", "finetune", *small, "--weights", str(weights), "--set", "batch_size=8"]
    tasks = ["--ways", "3", "--queries", "4", "--episodes", "4", "--validation-episodes", "2"]
    code, out, _ = said([*run, *tasks, "--output", str(tmp_path / "results")], capsys)
    assert code == 0
    assert "finetune on tests.made_pictures:made, 3-way 1-shot" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["masked-text", *MADE], "Missing option '-o' / '--output'"),
        (["masked", *MADE, "-o", "x"], "there is no objective 'masked'; did you mean 'masked-text'?"),
        (["masked-text", "-o", "x"], "there is nothing to read; give --dataset, e.g. clinc150+banking77, or --text"),
        (["dino", "-o", "x"], "there is nothing to read; give --dataset, e.g. glyphs"),
        (["dino", *MADE, "-o", "x"], "'tests.made_texts:made' has text, and this objective takes images"),
        (["simcse", *MADE, "-o", "x", "--channels", "3"], "--channels is of images, and objective 'simcse' takes text"),
        (["supervised", "-o", "x", "--text", "y"], "--text is of text, and objective 'supervised' takes images; leave"),
        (["simclr", "--dataset", "glyphs", "-o", "x", "--whole-word"], "objective 'simclr' has no option 'whole_word'"),
        (["simcse", *MADE, "-o", "x", "--whole-word"], "objective 'simcse' has no option 'whole_word'"),
        (["simcse", *MADE, "-o", "x", "--set", "whole_word"], "--set whole_word is not KEY=VALUE"),
        (["masked-text", *MADE, "-o", "x", "--steps", "2", "--set", "steps=3"], "--set steps comes twice"),
        (["masked-text", *MADE, "-o", "x", "--weights", "lost"], "cannot read --weights 'lost': No such file"),
        (["masked-text", *MADE, "-o", "x", "--text", "lost"], "--text 'lost' is not there; give a file"),
        (["masked-text", *MADE, "-o", "x", "--max-tokens", "3"], "--max-tokens: give at least 8; found 3"),
        (["masked-text", *MADE, "-o", "/proc/x/y", *QUICK], "cannot write to '/proc/x'"),
        (["masked-text", *MADE, "-o", "."], "-o '.' exists already, and weights are never overwritten"),
    ],
)
def test_what_cannot_be_met_is_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = said(["pretrain", *words], capsys)
    assert code == 2, err
    (line,) = err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_objectives_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(["list", "objectives"], capsys)
    assert code == 0
    assert "masked-text\n  Predict the tokens that were hidden" in out
    assert "temperature=0.05" in out
    assert "simclr\n  A picture is to be found again" in out
    assert "least_area=0.4" in out
