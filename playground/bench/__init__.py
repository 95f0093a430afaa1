"""Measurements of speed, each beside the floor that the hardware sets, on this machine and at this moment."""
