"""SetFit (Tunstall et al. 2022), by the package `setfit` (extra `setfit`)."""

from __future__ import annotations

import copy
import io
import logging
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from baselines.backbones import build_backbone
from baselines.backbones.encoders import TextEncoder
from episodes.banks.vocabulary import TextShape
from episodes.extras import need
from metabench.learner import Count, Kind, Learner, Paper, Positive, Problem, Source, TrainingOptions, option

NEEDS = ("setfit", "setfit", "learner 'setfit'")


class SetFit(Learner):
    """Fine-tune a sentence encoder on pairs of a task's support texts, then fit a logistic regression on its features.

    Tunstall et al. 2022 (section 3): pairs of one class are drawn together, pairs of two classes apart, by the cosine
    of their features. Texts go to the package as the vocabulary of the encoder spells them, in lower case for MiniLM.
    """

    source: ClassVar = Source(
        "transfer",
        (
            Paper(
                "Tunstall, Lewis and Reimers, Nils and Jo, Unso Eun Seo and Bates, Luke and Korat, Daniel and "
                "Wasserblat, Moshe and Pereg, Oren",
                "Efficient Few-Shot Learning Without Prompts",
                2022,
                "https://arxiv.org/abs/2209.11055",
            ),
        ),
        wraps="setfit (Apache-2.0)",
    )
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    presets: ClassVar = {"text": {"backbone": "minilm"}}

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        iterations: Count = option(20, "pairs of each sort per support text")
        batch_size: Count = option(16, "pairs per step")
        tuning_rate: Positive = option(2e-5, "learning rate on the pairs")

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        need(*NEEDS)
        assert isinstance(problem.image_shape, TextShape)
        self.vocabulary = problem.image_shape.vocabulary
        self.backbone = build_backbone(options.backbone, problem.image_shape)

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> list[Any]:
        body = self._body(support.device)
        tasks = zip(support, support_labels, strict=True)
        return [self._fitted(copy.deepcopy(body), ids, labels) for ids, labels in tasks]

    def predict(self, adapted: list[Any], query: Tensor) -> Tensor:
        return torch.stack([self._logits(model, ids) for model, ids in zip(adapted, query, strict=True)])

    def _body(self, device: torch.device) -> Any:
        """The encoder, with its vocabulary, as the package takes it."""
        transformers, package = need("transformers", *NEEDS[1:]), need("sentence_transformers", *NEEDS[1:])
        encoder = next(module for module in self.backbone.modules() if isinstance(module, TextEncoder))
        names = {"pad": "pad", "unknown": "unk", "first": "cls", "separator": "sep", "mask": "mask"}
        special = {f"{names[use]}_token": token for use, token in self.vocabulary.special.items()}
        with tempfile.TemporaryDirectory() as folder, _generators_as_found(), _quiet():
            parts = need("sentence_transformers.models", *NEEDS[1:])
            encoder.model.save_pretrained(folder)
            tokenizers = need("tokenizers", *NEEDS[1:])
            made = tokenizers.Tokenizer.from_str(self.vocabulary.content)
            transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
            modules = [parts.Transformer(folder)]
            modules.append(
                parts.Pooling(encoder.model.config.hidden_size, "cls" if encoder.pooling == "first" else "mean")
            )
            modules += [parts.Normalize()] if encoder.length else []
            return package.SentenceTransformer(modules=modules, device=str(device))

    def _fitted(self, body: Any, support: Tensor, labels: Tensor) -> Any:
        setfit, datasets = need(*NEEDS), need("datasets", *NEEDS[1:])
        head = need("sklearn.linear_model", *NEEDS[1:]).LogisticRegression()
        # The order of the support says nothing: pairs are drawn from one that follows from the texts alone.
        items = sorted(zip(self._texts(support), labels.tolist(), strict=True))
        texts, numbers = ([item[part] for item in items] for part in (0, 1))
        with tempfile.TemporaryDirectory() as folder, _generators_as_found(), _quiet(), torch.enable_grad():
            model = setfit.SetFitModel(body, head)
            arguments = setfit.TrainingArguments(
                output_dir=folder,
                batch_size=self.options.batch_size,
                num_iterations=self.options.iterations,
                body_learning_rate=self.options.tuning_rate,
                show_progress_bar=False,
                logging_strategy="no",
                save_strategy="no",
                report_to="none",
                seed=0,
            )
            data = datasets.Dataset.from_dict({"text": texts, "label": numbers})
            setfit.Trainer(model=model, args=arguments, train_dataset=data).train()
        return model

    def _logits(self, model: Any, query: Tensor) -> Tensor:
        with _quiet():
            probabilities = model.predict_proba(self._texts(query), as_numpy=True)
        return torch.from_numpy(np.log(np.maximum(probabilities, 1e-12))).float().to(query.device)

    def _texts(self, ids: Tensor) -> list[str]:
        return [self.vocabulary.decode(number - 1 for number in text if number) for text in ids.tolist()]


@contextmanager
def _quiet() -> Iterator[None]:
    """The package and those that it calls draw bars and print their progress for each task: nothing of it is shown."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _generators_as_found() -> Iterator[None]:
    """The package seeds the generators of Python, NumPy and torch: they are put back."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])
