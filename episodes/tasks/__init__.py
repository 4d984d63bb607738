"""Recipes of tasks: which classes and items go together."""
