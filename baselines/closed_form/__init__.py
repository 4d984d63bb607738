"""Heads in closed form, through which an embedding is trained."""
