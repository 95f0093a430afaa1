"""Reinforcement learning: the experts that are trained."""
