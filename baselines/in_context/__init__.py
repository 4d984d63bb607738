"""Learners that solve a task by reading it: support and query are one sequence, and no weight changes."""
