"""Demonstrations: collected from experts, packed for training, saved and loaded, shipped, and made into prompts."""

from playground.demonstrations.collecting import collect
from playground.demonstrations.files import load_episodes, save_episodes
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks
from playground.demonstrations.scores import measure_scores
from playground.demonstrations.shipping import prompt, ship, shipped, shipped_counts

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
