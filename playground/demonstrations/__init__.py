"""Demonstrations: packed for training, saved and loaded, and made into prompts."""

from playground.demonstrations.files import load_episodes, save_episodes
from playground.demonstrations.naming import Demonstration, find_demonstration, prompt
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks
from playground.demonstrations.recordings import (
    recordings,
    recordings_root,
    rename_recording,
    save_recording,
    trim_recording,
)
from playground.demonstrations.shipped_files import shipped, shipped_counts

__all__ = [
    "Demonstration",
    "PackedTask",
    "default_root",
    "find_demonstration",
    "load_episodes",
    "packed_tasks",
    "prompt",
    "recordings",
    "recordings_root",
    "rename_recording",
    "save_episodes",
    "save_recording",
    "shipped",
    "shipped_counts",
    "trim_recording",
]
