"""`metabench pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from metabench.cli.options import OutputFile, given, parse_options

SHORT = ("backbone", "weights", "steps", "batch_size", "learning_rate", "whole_word")


@click.command()
@click.argument("objective")
@click.option("--dataset", help="Read the training classes of it; several with +, as clinc150+banking77.")
@click.option(
    "--text",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Read a file of texts, one per line, also .gz. Repeatable.",
)
@click.option("--without", help="Leave out what this dataset's validation and test classes have; several with +.")
@click.option("-o", "--output", type=OutputFile(), required=True, help="The file to write, e.g. simclr.safetensors.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the datasets' files.")
@click.option("--split", help="Class split: a name that the dataset has, or a JSON file of class names.")
@click.option("--image-size", type=int, help="Resize images to this height and width, 16 to 1024.")
@click.option("--channels", type=int, help="1 for grey, 3 for colour.")
@click.option("--max-tokens", type=int, help="Cut texts after so many tokens, 8 to 512.  [default: 128]")
@click.option(
    "--backbone",
    help="Short for --set backbone=NAME.  [default: bert-small of texts, conv4 of images, vit of masked-image]",
)
@click.option("--weights", help="Short for --set weights=FILE: go on from a file of this command.")
@click.option("--vocabulary", type=int, help="Tokens of the vocabulary that is trained.  [default: 8192]")
@click.option("--steps", type=int, help="Short for --set steps=N.")
@click.option("--batch-size", type=int, help="Short for --set batch_size=N: texts or images per step.")
@click.option("--learning-rate", type=float, help="Short for --set learning_rate=RATE: the highest.")
@click.option("--whole-word", is_flag=True, default=None, help="Short for --set whole_word=true, of masked-text.")
@click.option(
    "--set", "options", multiple=True, metavar="KEY=VALUE", help="Set an option of the objective. Repeatable."
)
@click.option("--seed", type=int, help="Seed of weights, masks, views and order.  [default: 0]")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--threads", type=int, help="CPU threads.  [default: all cores]")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of the same, interrupted pre-training.")
def pretrain(objective: str, options: tuple[str, ...], resume: bool, output: Path, **settings: Any) -> None:
    """Pre-train a network on texts or images, and write its weights to a file.

    OBJECTIVE is, of texts, masked-text (BERT's masked language model) or simcse (the same text twice under dropout);
    of images, simclr (the same image in two views), dino (self-distillation), masked-image (a masked autoencoder) or
    supervised (softmax over the training classes, the only one that reads labels); or package.module:Class.
    `metabench list objectives` shows their options. Only training classes are read; what a class for validation or
    test has too is left out. `metabench run --weights FILE` begins with the file.
    """
    from metabench.pretraining.pretrain import pretrain as train
    from metabench.pretraining.summary import summary

    short = {name: settings.pop(name) for name in SHORT}
    words = {name: str(value).lower() if value is True else value for name, value in given(short).items()}
    pairs = options + tuple(f"{name}={value}" for name, value in words.items())
    about = train(objective, output=output, resume=resume, options=parse_options(pairs), **given(settings))
    click.echo(f"{summary(about)}\nweights: {output}")
