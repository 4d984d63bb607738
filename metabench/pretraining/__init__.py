"""Pre-training of encoders on texts without labels."""
