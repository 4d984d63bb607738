"""Learners that compare with the support in an embedding."""
