"""What a person can choose from: the prompts that belong to a task."""

from playground import domains
from playground.demonstrations import recordings, shipped_counts
from playground.task import Goal

NO_PROMPT = "none"

SMALL_SCENE = 6
"""Other tasks in a scene up to which all of their demonstrations are listed."""


def readable(goal: Goal) -> str | None:
    """A goal as text."""
    if goal is None or isinstance(goal, str):
        return goal
    return "(" + ", ".join(f"{number:.2f}" for number in goal) + ")"


def prompt_names(task: str) -> list[str]:
    """The task's own demonstrations, those of its scene (in large scenes one each), the person's recordings, none."""
    counts, scene = shipped_counts(), domains.task(task).scene
    siblings = [other.id for other in domains.tasks() if other.scene == scene]
    others = [other for other in siblings if other != task and other in counts]
    names = [f"{task}#{n}" for n in range(counts.get(task, 0))]
    for other in others:
        names += [f"{other}#{n}" for n in range(counts[other] if len(others) <= SMALL_SCENE else 1)]
    return [*names, *(name for name, of in recordings().items() if of in siblings), NO_PROMPT]
