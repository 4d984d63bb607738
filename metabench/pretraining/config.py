"""PretrainConfig: one pre-training, from the command line to the file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from episodes.banks.bank import Kind
from episodes.banks.vocabulary import SIZE
from episodes.errors import nearest
from episodes.files.token_cache import MOST_TOKENS
from episodes.names import full_name, short_name
from metabench.config import refuse_all_classes
from metabench.errors import UsageError
from metabench.values import check_given, first_problem
from metabench.weights.encoder_file import short_backbone

PLACES = ("output", "data_root", "text")  # on one machine; a file of weights has none of them
OF_KIND: dict[Kind, tuple[str, ...]] = {
    "text": ("text", "max_tokens", "vocabulary"),
    "images": ("image_size", "channels"),
}  # the settings of one kind of data alone


class PretrainConfig(BaseModel):
    """Everything that decides what a pre-training gives, and where its files are.

    Attributes:
        objective: a registered name, or `package.module:Class`.
        output: the file to write.
        dataset: whose training classes' texts or pictures are read; several with `+`.
        text: files of texts in UTF-8, one text per line, empty lines aside.
        without: datasets that are to be tested on: what their validation and test classes have is left out.
        data_root, split, image_size, channels: see `episodes.DataOptions`.
        max_tokens: of a text; the end of a longer one is cut.
        vocabulary: tokens of a vocabulary that is trained.
        seed: from which weights, masks, views and order derive.
        device, threads: as of a run.
        options: the objective's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    objective: str
    output: Path
    dataset: str | None = None
    text: tuple[Path, ...] = ()
    without: str | None = None
    data_root: Path | None = None
    split: str | None = None
    image_size: int | None = None
    channels: int | None = None
    max_tokens: int = Field(default=MOST_TOKENS, ge=8, le=512)
    vocabulary: int | None = Field(default=None, ge=100, le=1_000_000)
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=1024)
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def vocabulary_size(self) -> int:
        return self.vocabulary or SIZE

    @property
    def checkpoint(self) -> Path:
        """Where the state of an unfinished pre-training is kept: beside its file."""
        return self.output.with_name(f"{self.output.name}.checkpoint.pt")

    def check_kind(self, kind: Kind) -> None:
        """Raise UsageError for a setting that does not go with the objective's kind of data, or for no data."""
        for other, names in OF_KIND.items():
            if other != kind and (given := [name for name in names if name in self.model_fields_set]):
                raise UsageError(
                    f"--{given[0].replace('_', '-')} is of {other}, and objective '{self.objective}' takes {kind}; "
                    "leave it out"
                )
        if not self.dataset and not self.text:
            example, file = ("clinc150+banking77", ", or --text FILE") if kind == "text" else ("glyphs", "")
            raise UsageError(f"there is nothing to read; give --dataset, e.g. {example}{file}")

    def recorded(self, options: dict[str, Any], kind: Kind) -> dict[str, Any]:
        """Every setting of that kind of data, with all options of the objective, without places on a machine."""
        of_others = {name for other, names in OF_KIND.items() if other != kind for name in names}
        kept = self.model_dump(mode="json", exclude={*PLACES, *of_others, "options"})
        names = {name: value and short_name(value) for name, value in kept.items() if name in ("dataset", "without")}
        weights = options.get("weights")
        shown = {
            **options,
            "backbone": short_backbone(options["backbone"]),
            "weights": weights and Path(weights).name,
        }
        files: dict[str, Any] = {"split": self.split and Path(self.split).name}
        if kind == "text":
            files["text"] = [path.name for path in self.text]
        return {**kept, **names, **files, "options": shown}


def make_pretrain_config(**values: Any) -> PretrainConfig:
    """A PretrainConfig from its settings.

    Raises:
        UsageError: an unknown setting (names the nearest), or a value that does not fit.
    """
    known = PretrainConfig.model_fields
    for name in values:
        if name not in known:
            raise UsageError(f"there is no setting '{name}'{nearest(name, known)}")
    check_given(values, {name: item.annotation for name, item in known.items()}, "--")
    try:
        config = PretrainConfig(**values)
    except ValidationError as error:
        raise UsageError(first_problem(error, "--")) from None
    if config.split and not config.dataset:
        raise UsageError(f"--split {config.split} is of a dataset; give --dataset too")
    refuse_all_classes(config.split)
    return config.model_copy(
        update={name: full_name(value) for name in ("dataset", "without") if (value := getattr(config, name))}
    )
