"""Benchmarks: how fast this machine is now, each figure beside the lower bound that the hardware sets."""
