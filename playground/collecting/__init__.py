"""Collecting: experts and agents play, and their episodes are kept for training."""
