"""A prototypical network on Omniglot, as a user of torchmeta writes it."""

import argparse

import torch
from torch import nn
from torchmeta.datasets.helpers import omniglot
from torchmeta.utils.data import BatchMetaDataLoader
from torchmeta.utils.prototype import get_prototypes, prototypical_loss


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


class PrototypicalNetwork(nn.Module):
    def __init__(self, hidden, size):
        super().__init__()
        self.encoder = nn.Sequential(
            block(1, hidden), block(hidden, hidden), block(hidden, hidden), block(hidden, size)
        )

    def forward(self, inputs):  # [B, n, 1, 28, 28]
        return self.encoder(inputs.view(-1, *inputs.shape[2:])).view(*inputs.shape[:2], -1)


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--ways", type=int, default=5)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--batches", type=int, default=25)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args(arguments)

    dataset = omniglot(args.folder, shots=args.shots, ways=args.ways, shuffle=True, test_shots=5, meta_train=True)
    loader = BatchMetaDataLoader(dataset, batch_size=args.batch_size, shuffle=True, num_workers=args.workers)
    model = PrototypicalNetwork(16, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    accuracies = []
    for number, batch in enumerate(loader):
        train_inputs, train_targets = batch["train"]
        test_inputs, test_targets = batch["test"]
        prototypes = get_prototypes(model(train_inputs), train_targets, dataset.num_classes_per_task)
        embeddings = model(test_inputs)
        loss = prototypical_loss(prototypes, embeddings, test_targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            nearest = torch.cdist(embeddings, prototypes).argmin(-1)
            accuracies.append((nearest == test_targets).float().mean().item())
        if number + 1 == args.batches:
            break
    return accuracies
