"""Class splits, as data."""
