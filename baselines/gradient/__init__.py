"""Learners that adapt to a task by gradient steps."""
