"""The names of the prompts that a person can choose for a task."""

from playground import domains
from playground.demonstrations import recordings, shipped_counts
from playground.prompt_spec import NO_PROMPT

SMALL_SCENE = 6
"""Other tasks in a scene up to which several of their demonstrations are listed."""


def scene_prompts(task: str) -> tuple[list[str], list[str]]:
    """The task's own demonstrations, and some of its scene's other tasks: three of each, in large scenes one."""
    counts, scene = shipped_counts(), domains.task(task).scene
    others = [other.id for other in domains.tasks() if other.scene == scene and other.id != task and other.id in counts]
    of_each = 3 if len(others) <= SMALL_SCENE else 1
    return _first(task, counts.get(task, 0)), [
        name for other in others for name in _first(other, min(counts[other], of_each))
    ]


def prompt_names(task: str) -> list[str]:
    """The demonstrations of a task and its scene, the person's recordings of them, none."""
    own, others = scene_prompts(task)
    siblings = {other.id for other in domains.tasks() if other.scene == domains.task(task).scene}
    return [*own, *others, *(name for name, of in recordings().items() if of in siblings), NO_PROMPT]


def _first(task: str, count: int) -> list[str]:
    return [f"{task}#{number}" for number in range(count)]
