"""Demonstrations: collect them from experts, pack them for training, save and load them, ship them, prompt with them."""

from playground.demonstrations.collecting import collect
from playground.demonstrations.files import load_episodes, save_episodes
from playground.demonstrations.library import prompt, ship, shipped, shipped_counts
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks
from playground.demonstrations.scores import measure_scores

__all__ = [
    "PackedTask",
    "collect",
    "default_root",
    "load_episodes",
    "measure_scores",
    "packed_tasks",
    "prompt",
    "save_episodes",
    "ship",
    "shipped",
    "shipped_counts",
]
