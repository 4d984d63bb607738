"""Datasets of functions."""
