"""What predictions are scored by."""
