"""Learners that learn to answer as a teacher does."""
