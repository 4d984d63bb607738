import numpy as np
import pytest
import torch
from scipy import stats

from episodes import DataError, EpisodeBatch, FixedTask, RegressionTask, SinusoidSampler, load
from episodes.banks.functions import Sinusoids
from episodes.sampling.sampler import sampler
from episodes.uniforms import generator_key
from tests.made_banks import numbered_bank

TEST = load("sinusoid").test
TASK = RegressionTask(shots=5, queries=10)


def same(first: EpisodeBatch, second: EpisodeBatch, rows: list[int]) -> bool:
    parts = ("support", "support_labels", "query", "query_labels")
    return all(torch.equal(getattr(first, part)[rows], getattr(second, part)) for part in parts)


def curves(batch: EpisodeBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitudes and phases as least squares finds them (A sin(x - p) = a sin x + b cos x), and its residuals."""
    found = []
    for inputs, outputs in zip(batch.query[..., 0].double().numpy(), batch.query_labels.double().numpy(), strict=True):
        terms = np.stack([np.sin(inputs), np.cos(inputs)], axis=1)
        (a, b), *_ = np.linalg.lstsq(terms, outputs)
        found.append((np.hypot(a, b), np.arctan2(-b, a), np.abs(terms @ (a, b) - outputs).max()))
    return tuple(np.array(found).T)  # type: ignore[return-value]


def test_shapes_are_those_of_a_task_with_one_output() -> None:
    batch = SinusoidSampler(TEST, TASK, seed=0).batch(range(3))
    assert batch.support.shape == (3, 5, 1)
    assert batch.support_labels.shape == (3, 5)
    assert batch.query.shape == (3, 10, 1)
    assert batch.query_labels.shape == (3, 10)
    assert batch.ways == 1
    assert {part.dtype for part in (batch.support, batch.support_labels, batch.query_labels)} == {torch.float32}
    assert torch.equal(batch.to_float().query, batch.query)


def test_amplitude_phase_and_inputs_are_uniform_and_independent() -> None:
    batch = SinusoidSampler(TEST, RegressionTask(10, 10), seed=0).batch(range(5000))
    amplitudes, phases, residuals = curves(batch)
    assert residuals.max() < 1e-5
    inputs = torch.cat([batch.support, batch.query], dim=1)[..., 0].double().numpy()
    assert stats.kstest(amplitudes, stats.uniform(0.1, 4.9).cdf).pvalue > 0.01
    assert stats.kstest(phases, stats.uniform(0, np.pi).cdf).pvalue > 0.01
    counts, _ = np.histogram(inputs, bins=50, range=(-5, 5))
    assert counts.sum() == inputs.size
    assert stats.chisquare(counts).pvalue > 0.01
    for first, second in ((amplitudes, phases), (amplitudes, inputs[:, 0]), (inputs[:, 0], inputs[:, 10])):
        assert stats.spearmanr(first, second).pvalue > 0.01


def test_support_and_query_are_of_one_curve() -> None:
    batch = SinusoidSampler(TEST, TASK, seed=0).batch(range(50))
    amplitudes, phases, _ = curves(batch)
    expected = amplitudes[:, None] * np.sin(batch.support[..., 0].numpy() - phases[:, None])
    assert np.allclose(batch.support_labels.numpy(), expected, atol=1e-4)


def test_an_episode_is_the_same_however_it_is_asked_for() -> None:
    source = SinusoidSampler(TEST, TASK, seed=1)
    together = source.batch(range(40))
    assert same(together, source.batch([7]), [7])
    assert same(together, source.batch([30, 3, 4, 5, 3]), [30, 3, 4, 5, 3])
    assert same(together, SinusoidSampler(TEST, TASK, seed=1).batch(range(20, 40)), list(range(20, 40)))
    assert not torch.equal(*source.batch([10**15, 10**15 + 1]).support_labels)


def test_an_episode_reads_its_own_block_of_numpys_generator() -> None:
    """With 2 + 5 + 10 numbers an episode has 5 blocks of 4; episode 3 is numbers 60 to 76 of the stream."""
    key = generator_key(TEST.fingerprint, TASK, 0)
    numbers = np.random.Generator(np.random.Philox(key=key)).random(77)[60:]
    batch = SinusoidSampler(TEST, TASK, seed=0).batch([3])
    inputs = -5 + 10 * numbers[2:]
    outputs = (0.1 + 4.9 * numbers[0]) * np.sin(inputs - np.pi * numbers[1])
    assert np.allclose(torch.cat([batch.support, batch.query], dim=1)[0, :, 0], inputs, atol=1e-6)
    assert np.allclose(torch.cat([batch.support_labels, batch.query_labels], dim=1)[0], outputs, atol=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        SinusoidSampler(TEST, TASK, seed=1),
        SinusoidSampler(TEST, RegressionTask(5, 11), seed=0),
        SinusoidSampler(load("sinusoid").train, TASK, seed=0),
        SinusoidSampler(load("sinusoid").validation, TASK, seed=0),
    ],
)
def test_seed_task_and_split_each_change_the_draw(other: SinusoidSampler) -> None:
    first = SinusoidSampler(TEST, TASK, seed=0).batch([0])
    assert not torch.equal(first.support, other.batch([0]).support)


def test_evenly_spaced_queries_leave_the_task_as_it_is() -> None:
    source = SinusoidSampler(TEST, TASK, seed=0)
    drawn, even = source.batch([4, 9]), source.evenly([4, 9], points=21)
    assert torch.equal(drawn.support_labels, even.support_labels)
    assert torch.allclose(even.query[1, :, 0], torch.arange(-5, 5.5, 0.5))
    assert np.allclose(curves(drawn)[:2], curves(even)[:2], atol=1e-4)


def test_bad_requests_say_what_to_do() -> None:
    with pytest.raises(DataError, match="--shots 0 is too small; give at least 1"):
        RegressionTask(0)
    with pytest.raises(DataError, match="--queries 0 is too small; give at least 1"):
        RegressionTask(5, 0)
    with pytest.raises(
        DataError, match="'sinusoid' has functions, which have no classes; it goes alone, as --dataset sinusoid"
    ):
        load("sinusoid+glyphs")
    with pytest.raises(DataError, match="'x' has functions, and FixedTask needs images"):
        sampler(Sinusoids("x"), FixedTask(2, 1), seed=0)
    with pytest.raises(DataError, match="has images, and RegressionTask needs functions"):
        sampler(numbered_bank(), TASK, seed=0)
