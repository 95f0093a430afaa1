"""Evaluation: episodes on held-out seeds, scores, the model card."""
