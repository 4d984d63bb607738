"""Learners that are pre-trained on all training classes."""
