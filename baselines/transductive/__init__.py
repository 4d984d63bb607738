"""Learners that look at all queries of a task together."""
