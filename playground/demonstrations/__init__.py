"""Demonstrations: packed for training, saved and loaded, and made into prompts."""

from playground.demonstrations.files import load_episodes, save_episodes
from playground.demonstrations.naming import find_demonstration, find_prompt, parse_prompt
from playground.demonstrations.packed import PackedTask, default_root, packed_tasks
from playground.demonstrations.recordings import (
    new_recordings_root,
    recordings,
    recordings_root,
    rename_recording,
    save_recording,
    trim_recording,
)
from playground.demonstrations.shipped_files import shipped, shipped_counts
from playground.prompt_spec import Demonstration

__all__ = [
    "Demonstration",
    "PackedTask",
    "default_root",
    "find_demonstration",
    "find_prompt",
    "load_episodes",
    "new_recordings_root",
    "packed_tasks",
    "parse_prompt",
    "recordings",
    "recordings_root",
    "rename_recording",
    "save_episodes",
    "save_recording",
    "shipped",
    "shipped_counts",
    "trim_recording",
]
