"""Masked pre-training: an encoder learns from texts without labels."""
