"""Figures: tasks, predictions and charts."""
