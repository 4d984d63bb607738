import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from torch import nn

from episodes import DataError
from episodes.torchmeta import modules
from episodes.torchmeta.modules import MetaBatchNorm2d, MetaConv2d, MetaLinear, MetaModule, MetaSequential
from episodes.torchmeta.utils import (
    get_num_samples,
    get_prototypes,
    gradient_update_parameters,
    hardness_metric,
    matching_log_probas,
    matching_loss,
    matching_probas,
    pairwise_cosine_similarity,
    prototypical_loss,
    ridge_regression,
)
from episodes.torchmeta.utils.metrics import log_odds


def test_prototypes_are_the_means_of_their_classes() -> None:
    embeddings = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]])
    targets = torch.tensor([[1, 0, 1]])
    assert get_num_samples(targets, 3).tolist() == [[1, 2, 0]]
    assert get_num_samples(targets, 3, torch.float64).dtype == torch.float64
    assert get_prototypes(embeddings, targets, 3).tolist() == [[[3.0, 4.0], [3.0, 4.5], [0.0, 0.0]]]


def test_the_prototypical_loss_by_hand() -> None:
    prototypes = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    embeddings = torch.tensor([[[0.0, 0.0], [0.0, 2.0]]])
    targets = torch.tensor([[0, 1]])
    # squared distances (0, 1) and (4, 5): the classes are e : 1 as likely, each time
    expected = [torch.log1p(torch.tensor(-1.0).exp()), torch.log1p(torch.tensor(1.0).exp())]
    losses = prototypical_loss(prototypes, embeddings, targets, reduction="none")
    assert torch.allclose(losses, torch.stack(expected)[None])
    assert torch.allclose(prototypical_loss(prototypes, embeddings, targets), torch.stack(expected).mean())


def test_matching_is_attention_over_train_images() -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randn(2, n, 6, generator=generator) for n in (5, 4))
    targets = torch.tensor([[0, 2, 1, 0, 2], [1, 1, 0, 2, 0]])
    similarity = pairwise_cosine_similarity(train, test)
    probas = matching_probas(train, targets, test, 3)
    assert probas.shape == (2, 3, 4)
    for task in range(2):
        for query in range(4):
            cosines = F.cosine_similarity(train[task], test[task, query][None], dim=1)
            assert torch.allclose(similarity[task, :, query], cosines, atol=1e-6)
            attention = cosines.exp() / cosines.exp().sum()
            for label in range(3):
                share = attention[targets[task] == label].sum()
                assert torch.allclose(probas[task, label, query], share, atol=1e-6)
    answers = torch.tensor([[0, 1, 2, 0], [2, 1, 0, 0]])
    picked = matching_log_probas(train, targets, test, 3).gather(1, answers[:, None])
    assert torch.allclose(matching_loss(train, targets, test, answers, 3), -picked.mean())
    assert pairwise_cosine_similarity(torch.zeros(1, 1, 2), torch.ones(1, 1, 2)).item() == 0


LAYERS = [
    (modules.MetaLinear, nn.Linear, (4, 3), (2, 4)),
    (modules.MetaConv1d, nn.Conv1d, (2, 3, 3), (2, 2, 8)),
    (modules.MetaConv2d, nn.Conv2d, (2, 3, 3), (2, 2, 8, 8)),
    (modules.MetaConv3d, nn.Conv3d, (2, 3, 3), (2, 2, 5, 5, 5)),
    (modules.MetaBatchNorm1d, nn.BatchNorm1d, (3,), (6, 3)),
    (modules.MetaBatchNorm2d, nn.BatchNorm2d, (3,), (6, 3, 4, 4)),
    (modules.MetaBatchNorm3d, nn.BatchNorm3d, (3,), (6, 3, 2, 2, 2)),
    (modules.MetaLayerNorm, nn.LayerNorm, (5,), (3, 5)),
]


@pytest.mark.parametrize(
    ("meta", "plain", "arguments", "shape"), LAYERS, ids=lambda value: getattr(value, "__name__", "")
)
def test_layers_with_params_are_the_layers_that_own_them(
    meta: type[MetaModule], plain: type[nn.Module], arguments: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    ours, theirs = meta(*arguments), plain(*arguments)
    assert isinstance(ours, plain)
    inputs = torch.randn(shape)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_()
    params = dict(theirs.named_parameters())
    assert torch.equal(ours(inputs, params=params), theirs(inputs))
    assert not torch.equal(ours(inputs), ours(inputs, params=params))
    own = plain(*arguments)
    own.load_state_dict(ours.state_dict())
    assert torch.equal(ours(inputs), own(inputs))


def test_embeddings_and_bilinear_layers_take_params() -> None:
    weight = torch.randn(5, 2)
    numbers = torch.tensor([[1, 4], [0, 0]])
    assert torch.equal(modules.MetaEmbedding(5, 2)(numbers, params={"weight": weight}), weight[numbers])
    bags = modules.MetaEmbeddingBag(5, 2, mode="sum")(numbers, params={"weight": weight})
    assert torch.allclose(bags, weight[numbers].sum(1))
    left, right, form = torch.randn(3, 2), torch.randn(3, 4), torch.randn(1, 2, 4)
    layer = modules.MetaBilinear(2, 4, 1, bias=False)
    assert torch.allclose(layer(left, right, params={"weight": form}), F.bilinear(left, right, form))


def test_attention_takes_params() -> None:
    torch.manual_seed(0)
    ours, theirs = modules.MetaMultiheadAttention(8, 2, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)
    names = [name for name, _ in ours.meta_named_parameters()]
    assert sorted(names) == sorted(name for name, _ in theirs.named_parameters())
    inputs = torch.randn(3, 5, 8)
    answer, weights = ours(inputs, inputs, inputs, params=dict(theirs.named_parameters()))
    expected, expected_weights = theirs(inputs, inputs, inputs)
    assert torch.allclose(answer, expected, atol=1e-6)
    assert torch.allclose(weights, expected_weights, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("examples", [4, 30])
def test_ridge_regression_is_scikit_learns(examples: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(examples, 6, generator=generator, dtype=torch.float64)
    labels = torch.arange(examples) % 3
    columns = torch.cat([x, torch.ones(examples, 1)], 1) if bias else x  # a bias with a penalty like any weight's
    theirs = Ridge(alpha=0.2 * examples, fit_intercept=False).fit(columns, F.one_hot(labels, 3).double()).coef_
    for woodbury in (None, True, False):
        weight, offset = ridge_regression(x, labels, 0.2, num_classes=3, use_woodbury=woodbury, bias=bias)
        solution = weight if offset is None else torch.cat([weight, offset[:, None]], 1)
        assert torch.allclose(solution, torch.from_numpy(theirs))
    unscaled = ridge_regression(x, F.one_hot(labels, 3).double(), 0.2 * examples, scale=False, bias=bias)
    assert torch.allclose(unscaled.weight, torch.from_numpy(theirs[:, :6]))


def test_targets_of_ridge_regression() -> None:
    with pytest.warns(UserWarning, match="num_classes is not given"):
        assert ridge_regression(torch.randn(4, 2), torch.tensor([0, 1, 2, 0]), 1.0).weight.shape == (3, 2)
    with pytest.raises(DataError, match=r"float targets must be \[n, outputs\]; they are \[4\]"):
        ridge_regression(torch.randn(4, 2), torch.randn(4), 1.0)


def network() -> MetaSequential:
    torch.manual_seed(0)
    return MetaSequential(
        MetaSequential(MetaConv2d(1, 2, 3), MetaBatchNorm2d(2, track_running_stats=False), nn.Tanh()),
        nn.Flatten(),
        nn.Linear(8, 8),
        MetaLinear(8, 2),
    )


def test_meta_parameters_are_those_of_meta_modules() -> None:
    names = [name for name, _ in network().meta_named_parameters()]
    assert names == ["0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias", "3.weight", "3.bias"]
    assert len(list(network().meta_parameters())) == 6


def test_a_shared_parameter_is_one() -> None:
    net = MetaSequential(MetaLinear(2, 2), MetaLinear(2, 2))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.meta_named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_an_update_is_a_step_of_gradient_descent() -> None:
    net, twin = network(), network()
    inputs, labels = torch.randn(6, 1, 4, 4), torch.tensor([0, 1] * 3)
    params = gradient_update_parameters(net, F.cross_entropy(net(inputs), labels), step_size=0.3)
    optimizer = torch.optim.SGD(twin.meta_parameters(), lr=0.3)
    F.cross_entropy(twin(inputs), labels).backward()
    optimizer.step()
    for (name, value), expected in zip(params.items(), twin.meta_parameters(), strict=True):
        assert torch.allclose(value, expected, atol=1e-6), name
    assert torch.allclose(net(inputs, params=params), twin(inputs), atol=1e-6)


def test_the_outer_gradient_goes_through_the_inner_step() -> None:
    """f(w) = (w x - y)^2: after a step a from w, df(w')/dw = 2 x (w' x - y) (1 - 2 a x^2), without the last factor
    to first order."""
    for first_order in (False, True):
        layer = MetaLinear(1, 1, bias=False)
        with torch.no_grad():
            layer.weight.fill_(0.5)
        x, y = torch.tensor([[2.0]]), torch.tensor([[3.0]])
        params = gradient_update_parameters(layer, F.mse_loss(layer(x), y), step_size=0.1, first_order=first_order)
        adapted = 0.5 - 0.1 * 2 * 2 * (0.5 * 2 - 3)
        assert params["weight"].item() == pytest.approx(adapted)
        F.mse_loss(layer(x, params=params), y).backward()
        factor = 1 if first_order else 1 - 2 * 0.1 * 4
        assert layer.weight.grad is not None
        assert layer.weight.grad.item() == pytest.approx(2 * 2 * (adapted * 2 - 3) * factor)


def test_step_sizes_may_differ_and_steps_follow_one_another() -> None:
    layer = MetaLinear(1, 1)
    x, y = torch.randn(4, 1), torch.randn(4, 1)
    sizes = {"weight": 0.0, "bias": torch.tensor(0.1)}
    once = gradient_update_parameters(layer, F.mse_loss(layer(x), y), step_size=sizes)
    assert torch.equal(once["weight"], layer.weight)
    assert not torch.equal(once["bias"], layer.bias)
    twice = gradient_update_parameters(layer, F.mse_loss(layer(x, params=once), y), params=once, step_size=0.1)
    assert not torch.equal(twice["weight"], once["weight"])


def test_what_has_no_params_is_said() -> None:
    with pytest.raises(DataError, match="must be a MetaModule, to be called with params; it is a Linear"):
        gradient_update_parameters(nn.Linear(1, 1), torch.zeros(()))  # type: ignore[arg-type]
    net = network()
    assert net.get_subdict(None, "0") is None
    assert net.get_subdict({"0.a.b": torch.zeros(1)}, "0") == {"a.b": torch.zeros(1)}
    assert net.get_subdict({"0.a": torch.zeros(1)}) == {"0.a": torch.zeros(1)}
    with pytest.warns(UserWarning, match="params has nothing for the submodule '3' of MetaSequential"):
        assert net.get_subdict({"0.0.weight": torch.zeros(1)}, "3") is None


def test_a_class_without_train_images_gives_no_invalid_gradients() -> None:
    """Class 2 has none: its probability is 0, and the others' loss and gradients are those of two classes."""
    train = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]], requires_grad=True)
    test = torch.tensor([[[1.0, 1.0]]])
    targets, answers = torch.tensor([[0, 1]]), torch.tensor([[1]])
    assert matching_log_probas(train, targets, test, 3)[0, 2].item() == float("-inf")
    two, three = (matching_loss(train, targets, test, answers, ways) for ways in (2, 3))
    assert torch.equal(two, three)
    gradients = [torch.autograd.grad(loss, train)[0] for loss in (two, three)]
    assert torch.equal(*gradients)
    assert gradients[0].abs().sum() > 0


def test_a_broken_image_spoils_its_own_prototype_alone() -> None:
    embeddings = torch.tensor([[[1.0], [float("inf")], [3.0]]])
    assert get_prototypes(embeddings, torch.tensor([[0, 1, 0]]), 2).tolist() == [[[2.0], [float("inf")]]]


def test_hardness_is_the_mean_log_odds_by_hand() -> None:
    """Prototypes (1, 0) and (0, 1) after the negative output of the second train image counts as 0."""
    train, test = torch.tensor([[[2.0, 0.0], [-3.0, 5.0]]]), torch.tensor([[[3.0, 4.0], [0.0, -7.0]]])
    targets = torch.tensor([[0, 1]])
    probabilities = [math.exp(0.6) / (math.exp(0.6) + math.exp(0.8)), math.exp(-1) / (1 + math.exp(-1))]
    expected = sum(math.log((1 - p) / p) for p in probabilities) / 2
    assert log_odds(train, targets, test, targets, 2).item() == pytest.approx(expected)


def test_hardness_is_refused_without_parts_or_colour() -> None:
    pictures = torch.zeros(1, 2, 1, 8, 8), torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(DataError, match="no part named train or support; they have query"):
        hardness_metric({"query": pictures}, 2)
    with pytest.raises(DataError, match="no part named test or query; they have support"):
        hardness_metric({"support": pictures}, 2)
    with pytest.raises(DataError, match="of 3 channels; they have 1"):
        hardness_metric({"train": pictures, "test": pictures}, 2)


def test_weights_that_cannot_be_downloaded_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there: as without a network
    pictures = torch.zeros(1, 2, 3, 8, 8), torch.zeros(1, 2, dtype=torch.int64)
    with pytest.raises(DataError, match=r"cannot be downloaded .*put resnet152-394f9c45.pth of download.pytorch.org"):
        hardness_metric({"train": pictures, "test": pictures}, 2)
