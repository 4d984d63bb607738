"""MAML on sine waves, as a user of torchmeta writes it."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torchmeta.modules import MetaLinear, MetaModule, MetaSequential
from torchmeta.toy.helpers import sinusoid
from torchmeta.utils import gradient_update_parameters
from torchmeta.utils.data import BatchMetaDataLoader


class Network(MetaModule):
    def __init__(self):
        super().__init__()
        self.layers = MetaSequential(MetaLinear(1, 40), nn.ReLU(), MetaLinear(40, 40), nn.ReLU(), MetaLinear(40, 1))

    def forward(self, inputs, params=None):
        return self.layers(inputs, params=self.get_subdict(params, "layers"))


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--batches", type=int, default=150)
    args = parser.parse_args(arguments)

    dataset = sinusoid(shots=args.shots, test_shots=15, seed=0, num_tasks=100_000)
    loader = BatchMetaDataLoader(dataset, batch_size=4)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for number, batch in enumerate(loader):
        outer_loss = torch.tensor(0.0)
        train, test = ([part.float() for part in batch[name]] for name in ("train", "test"))
        for x, y, test_x, test_y in zip(*train, *test, strict=True):
            params = gradient_update_parameters(model, F.mse_loss(model(x), y), step_size=0.01)
            params = gradient_update_parameters(model, F.mse_loss(model(x, params=params), y), params, step_size=0.01)
            outer_loss = outer_loss + F.mse_loss(model(test_x, params=params), test_y) / 4
        optimizer.zero_grad()
        outer_loss.backward()
        optimizer.step()
        losses.append(outer_loss.item())
        if number + 1 == args.batches:
            break
    return losses
