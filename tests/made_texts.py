"""Small datasets of texts, loaded as `tests.made_texts:made` and so on."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from episodes import DataOptions, Dataset
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import Vocabulary

COMMON = ("red", "blue", "green", "small", "large")
CLASSES, TEXTS = 6, 12  # per split, per class


def saved_encoder(folder: Path, vocabulary: Vocabulary) -> None:
    """A small RoBERTa of random weights as `transformers` saves it, with its tokenizer."""
    import transformers

    config = transformers.RobertaConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    transformers.RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=vocabulary._tokenizer,
        **{
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
        },
    )
    wrapped.save_pretrained(folder)


def bank(part: str, seed: int, more: tuple[str, ...] = (), name: str = "made") -> TextBank:
    """Classes with three words of their own each, in texts of 3 to 9 words; `more` are texts of the first class."""
    draw = random.Random(seed)
    texts: list[str] = []
    labels: list[int] = []
    for number in range(CLASSES):
        own = [f"{sound}{part}{number}" for sound in ("ka", "mo", "ti")]
        for _ in range(TEXTS):
            texts.append(" ".join(draw.choices(own, k=draw.randint(2, 5)) + draw.choices(COMMON, k=draw.randint(1, 4))))
            labels.append(number)
    names = [f"{part}{number}" for number in range(CLASSES)]
    return TextBank.from_labels(f"{name}/{part}", [*more, *texts], [0] * len(more) + labels, names, names)


def dataset(name: str, seed: int = 0, more: tuple[str, ...] = ()) -> Dataset[TextBank]:
    """Three banks; `more` are further training texts."""
    train = bank("train", seed, more, name)
    return Dataset(name, "s", train, bank("validation", seed + 1, (), name), bank("test", seed + 2, (), name))


def _loads(seed: int, more: tuple[str, ...] = ()) -> Any:
    def load(name: str, options: DataOptions) -> Dataset[TextBank]:
        return dataset(name, seed, more)

    return SimpleNamespace(load=load, KIND="text")


made, other = _loads(0), _loads(10)
SHARED = bank("test", 2).text(7)  # a text of a test class of `made`
leaking = _loads(10, (SHARED.upper(), "a text of its own"))
