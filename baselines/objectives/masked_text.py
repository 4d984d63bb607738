"""BERT's masked language model (Devlin, Chang, Lee, Toutanova 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.backbones.encoders import text_encoder
from episodes.banks.vocabulary import Vocabulary
from episodes.uniforms import unit
from metabench.errors import UsageError
from metabench.learner import option
from metabench.objective import Layers, Objective, PretrainingOptions, TextBatch, TextShape

CHOSEN, MASKED, REPLACED = 0.15, 0.8, 0.1  # of all tokens; of those chosen
NONE = -100  # the label of a token that was not chosen


class Masking:
    """Which tokens of a batch are to be predicted, and what the network sees in their place.

    Devlin et al. 2019, section 3.1: 15% of tokens are chosen; of these 80% become [MASK], 10% a random token, and 10%
    stay. Special tokens and padding are never chosen. With `whole_word` all pieces of a word are chosen together (the
    authors' "whole word masking" of 2019).

    Differs from the paper: each token is chosen by itself with 15%, as in RoBERTa's code, so a text may have more or
    fewer; and the random token is never a special one. Masks are drawn anew for each step (Liu et al. 2019, section
    4.1).

    Raises:
        UsageError: whole words are asked for, and the vocabulary does not say which tokens continue a word.
    """

    def __init__(self, vocabulary: Vocabulary, whole_word: bool = False) -> None:
        if whole_word and not vocabulary.continues.any():
            raise UsageError("--whole-word needs a vocabulary of WordPieces, whose tokens say what continues a word")
        special = np.isin(np.arange(len(vocabulary)), vocabulary.special_numbers)
        self.whole_word = whole_word
        self.mask = vocabulary.number("mask") + 1
        self.special = torch.from_numpy(np.append(True, special))  # by number in a batch, where 0 is padding
        self.continues = torch.from_numpy(np.append(False, vocabulary.continues))
        self.ordinary = torch.from_numpy(np.flatnonzero(~special) + 1)

    def __call__(self, ids: Tensor, key: int) -> tuple[Tensor, Tensor]:
        """What the network sees, `[n, L]` int32, and the labels, `[n, L]` int64: token ids, or `NONE`.

        Args:
            ids: `[n, L]` token ids, each plus 1; 0 is padding.
            key: of the generator: the same gives the same masks, on any device.
        """
        draws = unit(np.random.Philox(key=key).random_raw(3 * ids.numel()))
        choice, kind, other = torch.from_numpy(draws).view(3, *ids.shape).to(ids.device)
        numbers = ids.long()
        if self.whole_word:
            choice = choice.gather(1, self._first_of_word(numbers))
        chosen = (choice < CHOSEN) & ~self.special.to(ids.device)[numbers]
        ordinary = self.ordinary.to(ids.device, ids.dtype)
        replaced = chosen & (kind >= MASKED) & (kind < MASKED + REPLACED)
        seen = ids.masked_fill(chosen & (kind < MASKED), self.mask)
        seen = seen.where(~replaced, ordinary[(other * len(ordinary)).long()])
        return seen, (numbers - 1).where(chosen, NONE)

    def _first_of_word(self, numbers: Tensor) -> Tensor:
        """The place of the first token of each token's word, `[n, L]`."""
        places = torch.arange(numbers.shape[1], device=numbers.device).expand_as(numbers)
        return places.where(~self.continues.to(numbers.device)[numbers], 0).cummax(1).values


class Head(nn.Module):
    """From hidden states to logits of tokens, by the transposed embeddings (Devlin et al. 2019, and their code)."""

    def __init__(self, config: Any, embeddings: Tensor) -> None:
        super().__init__()
        tokens, size = embeddings.shape
        self.dense = nn.Linear(config.hidden_size, size)
        self.norm = nn.LayerNorm(size, eps=getattr(config, "layer_norm_eps", 1e-12))
        self.bias = nn.Parameter(torch.zeros(tokens))
        nn.init.normal_(self.dense.weight, std=getattr(config, "initializer_range", 0.02))
        nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Logits `[m, tokens]` of hidden states `[m, D]`."""
        return F.linear(self.norm(F.gelu(self.dense(states))), embeddings, self.bias)


class MaskedText(Objective):
    """Predict the tokens that were hidden from a text, from those around them.

    Devlin et al. 2019, section 3.1 and appendix A.1, without the next-sentence task, which Liu et al. 2019 (section
    4.2) find to be of no use. `Masking` says which tokens. The validation's masks are the same each time and for every
    seed: its perplexity is of the hidden tokens.
    """

    @dataclass(frozen=True)
    class Options(PretrainingOptions):
        whole_word: bool = option(False, "hide all pieces of a word together")

    def __init__(self, network: Layers, shape: TextShape, options: Options) -> None:
        super().__init__(network, shape, options)
        self.encoder = [text_encoder(network, options.backbone)]  # in a list, as it is a part of `network` already
        self.masking = Masking(shape.vocabulary, options.whole_word)
        model = self.encoder[0].model
        self.head = Head(model.config, model.get_input_embeddings().weight)

    def loss(self, batch: TextBatch) -> Tensor:
        logits, labels = self.predicted(*self.masking(batch.ids, batch.key))
        return F.cross_entropy(logits.float(), labels, reduction="sum") / max(1, len(labels))

    def predicted(self, seen: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `[m, tokens]` of the hidden tokens, and these, `[m]`."""
        chosen = labels != NONE
        encoder = self.encoder[0]
        logits: Tensor = self.head(encoder.hidden(seen)[chosen], encoder.model.get_input_embeddings().weight)
        return logits, labels[chosen]

    def values(self, batches: Iterable[TextBatch]) -> dict[str, float]:
        loss, right, hidden = 0.0, 0, 0
        for batch in batches:
            logits, labels = self.predicted(*self.masking(batch.ids, batch.key))
            loss += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
            hidden += len(labels)
        if not hidden:
            raise UsageError("no token of the texts for validation is hidden, as they are so few; give more texts")
        return {"perplexity": math.exp(min(loss / hidden, 700.0)), "masked_accuracy": right / hidden}
