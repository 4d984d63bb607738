"""Banks: items of one kind, with their classes."""
