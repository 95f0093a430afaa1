"""What a visitor can choose: domains, tasks and demonstrations, with the labels that the page shows."""

from dataclasses import dataclass

from playground import domains
from playground.demonstrations import shipped, shipped_counts
from playground.episode import Episode
from playground.errors import UnknownNameError
from playground.prompt import Prompt
from playground.task import Goal

NO_PROMPT = "none"
FAVOURITES = (
    "metaworld/faucet-open",
    "dm_control/cheetah-speed_2",
    "babyai/GoToLocal-hidden",
    "classic/CartPole",
    "atari/Breakout",
)
"""What the page opens with, the first; and each domain."""

SMALL_SCENE = 6
"""Other tasks in a scene up to which all of their demonstrations are listed."""

Choices = list[tuple[str, str]]
"""Pairs (label, value) for a chooser."""


@dataclass(frozen=True)
class Demonstration:
    """A shipped demonstration: `domain/task#K`."""

    name: str
    episode: Episode

    @property
    def prompt(self) -> Prompt:
        return Prompt.from_episode(self.episode, self.name)


def find_demonstration(name: str | None) -> Demonstration | None:
    """The shipped demonstration of that name; None for None and "none".

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name is None or name == NO_PROMPT:
        return None
    task, _, number = name.partition("#")
    if not number.isdecimal() or int(number) >= shipped_counts().get(task, 0):
        raise UnknownNameError("demonstration", name, [f"{task}#0" for task in shipped_counts()])
    return Demonstration(name, shipped(task)[int(number)])


def readable(goal: Goal) -> str | None:
    """A goal as text."""
    if goal is None or isinstance(goal, str):
        return goal
    return "(" + ", ".join(f"{number:.2f}" for number in goal) + ")"


def domain_names() -> list[str]:
    """Every domain once, in the registry's order."""
    return list(dict.fromkeys(task.domain for task in domains.tasks()))


def task_choices(domain: str) -> Choices:
    """The tasks of a domain by name."""
    return sorted((task.name, task.id) for task in domains.tasks(f"{domain}/*"))


def first_task(domain: str) -> str:
    """The task that a domain is shown with at first: a favourite, or one with demonstrations."""
    ids = [id for _, id in task_choices(domain)]
    return next((id for id in (*FAVOURITES, *shipped_counts()) if id in ids), ids[0])


def prompt_choices(task: str) -> Choices:
    """The task's own demonstrations, those of the other tasks of its scene (in large scenes one each), and none."""
    counts = shipped_counts()
    scene = domains.task(task).scene
    others = [other.id for other in domains.tasks() if other.scene == scene and other.id != task and other.id in counts]
    choices = _labelled(task, "") if task in counts else []
    for other in others:
        name = f"{other.partition('/')[2]} "
        choices += _labelled(other, name) if len(others) <= SMALL_SCENE else [(f"{name}#0", f"{other}#0")]
    return [*choices, ("no prompt", NO_PROMPT)]


def _labelled(task: str, name: str) -> Choices:
    goals = [readable(episode.goal) for episode in shipped(task)]
    return [(f"{name}#{n}" + (f" · {goal}" if goal else ""), f"{task}#{n}") for n, goal in enumerate(goals)]
