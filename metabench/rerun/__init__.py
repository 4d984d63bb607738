"""A finished run taken up again."""
