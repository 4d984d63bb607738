"""Figures: tasks, answers and charts."""
