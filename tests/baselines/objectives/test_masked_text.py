"""BERT's masks by their proportions, and the loss by `transformers`' own."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy import stats
from torch import Tensor

from baselines.objectives.masked_text import NONE, MaskedText, Masking
from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.sampling.texts import TextBatch
from metabench.backbone import build_backbone
from metabench.errors import UsageError

TEXTS = [f"where is card {number} of the unbelievable stationmaster" for number in range(200)]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.trained(TEXTS, 90)  # so few that most words are several pieces


@pytest.fixture(scope="module")
def ids(vocabulary: Vocabulary) -> Tensor:
    """`[200, L]`, some of them shorter than others."""
    ids, ends, _ = vocabulary.encode([text[: 20 + number % 30] for number, text in enumerate(TEXTS)], 64)
    rows = np.split(ids + 1, ends[:-1])
    made = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int32)
    for number, row in enumerate(rows):
        made[number, : len(row)] = torch.from_numpy(row)
    return made


def within(count: int, of: int, share: float) -> bool:
    """Whether a count is what a binomial draw gives in all but one of a million cases."""
    low, high = stats.binom.interval(1 - 1e-6, of, share)
    return bool(low <= count <= high)


@pytest.mark.parametrize("whole_word", [False, True])
def test_proportions_of_masks(whole_word: bool, vocabulary: Vocabulary, ids: Tensor) -> None:
    masking = Masking(vocabulary, whole_word)
    ordinary = ~torch.isin(ids, torch.tensor([0, *(number + 1 for number in vocabulary.special_numbers)]))
    chosen = masked = kept = replaced = units = 0
    for key in range(40):
        seen, labels = masking(ids, key)
        hidden = labels != NONE
        assert not (hidden & ~ordinary).any()
        assert torch.equal(seen[~hidden], ids[~hidden])
        assert torch.equal(labels[hidden], (ids[hidden] - 1).long())
        is_mask, same = seen == vocabulary.number("mask") + 1, seen == ids
        special = torch.tensor([number + 1 for number in vocabulary.special_numbers])
        assert not torch.isin(seen[hidden & ~is_mask], special).any()
        first = ordinary & ~torch.tensor([False, *vocabulary.continues])[ids.long()]
        units += int((first if whole_word else ordinary).sum())
        chosen += int((hidden & (first if whole_word else ordinary)).sum())
        masked, kept = masked + int((hidden & is_mask).sum()), kept + int((hidden & same).sum())
        replaced += int((hidden & ~is_mask & ~same).sum())
    hidden_tokens = masked + kept + replaced
    assert within(chosen, units, 0.15)
    assert within(masked, hidden_tokens, 0.8)
    by_chance = 1 / (len(vocabulary) - len(vocabulary.special_numbers))  # of a random token to be the same one
    assert within(kept, hidden_tokens, 0.1 + 0.1 * by_chance)


def test_whole_words_stay_together(vocabulary: Vocabulary, ids: Tensor) -> None:
    continues = torch.tensor([False, *vocabulary.continues])[ids.long()]
    assert continues.float().mean() > 0.1
    _, labels = Masking(vocabulary, whole_word=True)(ids, 3)
    hidden = labels != NONE
    assert torch.equal(hidden[:, 1:][continues[:, 1:]], hidden[:, :-1][continues[:, 1:]])
    _, alone = Masking(vocabulary)(ids, 3)
    assert not torch.equal((alone != NONE)[:, 1:][continues[:, 1:]], (alone != NONE)[:, :-1][continues[:, 1:]])


def test_masks_follow_from_their_key(vocabulary: Vocabulary, ids: Tensor) -> None:
    masking = Masking(vocabulary)
    torch.manual_seed(1)
    first = masking(ids, 7)
    torch.manual_seed(2)
    again, other = masking(ids, 7), masking(ids, 8)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_whole_words_need_pieces() -> None:
    vocabulary = Vocabulary.trained(["a b c"] * 3, 100)
    object.__setattr__(vocabulary, "continues", np.zeros(len(vocabulary), dtype=bool))
    with pytest.raises(UsageError, match="--whole-word needs a vocabulary of WordPieces"):
        Masking(vocabulary, whole_word=True)


def objective(vocabulary: Vocabulary, **options: Any) -> MaskedText:
    torch.manual_seed(0)
    shape = TextShape(64, vocabulary)
    return MaskedText(build_backbone("bert-tiny", shape), shape, MaskedText.Options(backbone="bert-tiny", **options))


def test_the_loss_is_that_of_transformers(vocabulary: Vocabulary, ids: Tensor) -> None:
    """On the same masked batch, with the same weights."""
    ours = objective(vocabulary).eval()
    model = ours.encoder[0].model
    theirs = transformers.BertForMaskedLM(model.config).eval()
    theirs.bert.load_state_dict(model.state_dict())
    head = theirs.cls.predictions
    head.transform.dense.load_state_dict(ours.head.dense.state_dict())
    head.transform.LayerNorm.load_state_dict(ours.head.norm.state_dict())
    with torch.no_grad():
        ours.head.bias.normal_()
        head.bias.copy_(ours.head.bias)
        head.decoder.bias = head.bias
    theirs.tie_weights()
    seen, labels = ours.masking(ids, 5)
    with torch.no_grad():
        expected = theirs((seen - 1).clamp(min=0).long(), attention_mask=(seen != 0).long(), labels=labels).loss
        assert float(ours.loss(TextBatch(ids, 5))) == pytest.approx(float(expected), abs=1e-5)
        values = ours.values([TextBatch(ids, 5)])
    assert values["perplexity"] == pytest.approx(math.exp(float(expected)), rel=1e-4)
    assert len(vocabulary) / 10 < values["perplexity"] < 10 * len(vocabulary)


def test_a_batch_without_a_hidden_token_is_a_loss_of_zero(vocabulary: Vocabulary, ids: Tensor) -> None:
    few = ids[:1, :2]
    ours = objective(vocabulary)
    key = next(key for key in range(50) if (ours.masking(few, key)[1] == NONE).all())
    loss = ours.loss(TextBatch(few, key))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    with torch.no_grad(), pytest.raises(UsageError, match="no token of the texts for validation is hidden"):
        ours.eval().values([TextBatch(few, key)])


def test_what_only_context_tells_is_learnt() -> None:
    """The second word of a text repeats its first: of 20 equally frequent words the context tells which it is."""
    words = [f"w{letter}" for letter in "abcdefghijklmnopqrst"]
    vocabulary = Vocabulary.trained([" ".join(words)] * 3, 200)
    numbers = torch.tensor([vocabulary._tokenizer.token_to_id(word) for word in words]) + 1
    draws = torch.randint(0, 20, (400, 3), generator=torch.Generator().manual_seed(0))
    middle = numbers[draws].repeat_interleave(2, dim=1)  # a a b b c c
    first, last = (torch.full((400, 1), vocabulary.number(use) + 1) for use in ("first", "separator"))
    ids = torch.cat([first, middle, last], dim=1).int()
    ours = objective(vocabulary)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=2e-3)
    with torch.no_grad():
        before = ours.eval().values([TextBatch(ids[320:], 10**6)])
    ours.train()
    for step in range(200):
        rows = torch.randint(0, 320, (64,), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        ours.loss(TextBatch(ids[rows], step)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        after = ours.eval().values([TextBatch(ids[320:], 10**6)])
    assert before["masked_accuracy"] < 0.2
    assert after["masked_accuracy"] > 0.6  # the unigram rate is 0.05
    assert after["perplexity"] < 0.3 * before["perplexity"]


def test_a_network_of_images_has_no_hidden_states() -> None:
    shape = TextShape(16, Vocabulary.trained(["a b c"] * 3, 100))
    options = replace(MaskedText.Options(), backbone="mine")
    with pytest.raises(UsageError, match="backbone 'mine' is no encoder with hidden states of tokens"):
        MaskedText(build_backbone("conv4", (1, 28, 28)), shape, options)
