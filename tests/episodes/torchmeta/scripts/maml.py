"""MAML on Omniglot, as a user of torchmeta writes it."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torchmeta.datasets import Omniglot
from torchmeta.modules import MetaBatchNorm2d, MetaConv2d, MetaLinear, MetaModule, MetaSequential
from torchmeta.transforms import Categorical, ClassSplitter, Rotation
from torchmeta.utils.data import BatchMetaDataLoader
from torchmeta.utils.gradient_based import gradient_update_parameters
from torchvision.transforms import Compose, Resize, ToTensor


def conv3x3(inputs, outputs):
    return MetaSequential(
        MetaConv2d(inputs, outputs, kernel_size=3, padding=1),
        MetaBatchNorm2d(outputs, momentum=1.0, track_running_stats=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class ConvolutionalNetwork(MetaModule):
    def __init__(self, ways, hidden):
        super().__init__()
        self.features = MetaSequential(*(conv3x3(inputs, hidden) for inputs in (1, hidden, hidden, hidden)))
        self.classifier = MetaLinear(hidden, ways)

    def forward(self, inputs, params=None):
        features = self.features(inputs, params=self.get_subdict(params, "features"))
        return self.classifier(features.flatten(1), params=self.get_subdict(params, "classifier"))


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--ways", type=int, default=3)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--batches", type=int, default=25)
    parser.add_argument("--step-size", type=float, default=0.4)
    parser.add_argument("--first-order", action="store_true")
    args = parser.parse_args(arguments)

    splitter = ClassSplitter(shuffle=True, num_train_per_class=args.shots, num_test_per_class=5)
    dataset = Omniglot(
        args.folder,
        transform=Compose([Resize(28), ToTensor()]),
        target_transform=Categorical(num_classes=args.ways),
        num_classes_per_task=args.ways,
        meta_train=True,
        class_augmentations=[Rotation([90, 180, 270])],
        dataset_transform=splitter,
        download=False,
    )
    loader = BatchMetaDataLoader(dataset, batch_size=args.batch_size)
    model = ConvolutionalNetwork(args.ways, 16)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    accuracies = []
    for number, batch in enumerate(loader):
        outer_loss = torch.tensor(0.0)
        correct = []
        for (train_input, train_target), (test_input, test_target) in zip(
            zip(*batch["train"], strict=True), zip(*batch["test"], strict=True), strict=True
        ):
            inner_loss = F.cross_entropy(model(train_input), train_target)
            params = gradient_update_parameters(
                model, inner_loss, step_size=args.step_size, first_order=args.first_order
            )
            logits = model(test_input, params=params)
            outer_loss = outer_loss + F.cross_entropy(logits, test_target) / args.batch_size
            correct.append((logits.argmax(-1) == test_target).float().mean().item())
        optimizer.zero_grad()
        outer_loss.backward()
        optimizer.step()
        accuracies.append(sum(correct) / len(correct))
        if number + 1 == args.batches:
            break
    return accuracies
