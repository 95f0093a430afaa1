"""Gato's tokens (Reed et al. 2022, section 2.1 and appendix B): encode and decode side by side, NumPy only."""
