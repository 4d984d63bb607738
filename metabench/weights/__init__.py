"""Weights that a network begins with: files of `metabench pretrain`, files of other programs, published ones."""
