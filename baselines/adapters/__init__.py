"""Learners by `prefix:name`: methods of other packages, imported when one is asked for, and ensembles of settings."""
