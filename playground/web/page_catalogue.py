"""What the page offers to choose from, in JSON's terms: domains, tasks, and the gallery of demonstrations."""

from collections.abc import Iterable
from functools import lru_cache
from time import sleep
from typing import Any

from playground import assets, domains
from playground.api import load_model
from playground.demonstrations import shipped, shipped_counts
from playground.episode import Episode
from playground.errors import BadFileError
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.task import Task
from playground.viewing.prompt_names import scene_prompts
from playground.viewing.readouts import readable_goal
from playground.viewing.wrappers import MODEL_LOCK

FAVOURITES = (
    "metaworld/drawer-close",
    "dm_control/cheetah-speed_2",
    "babyai/GoToLocal-hidden",
    "classic/CartPole",
    "atari/Breakout",
    "minigrid/Fetch-8x8-N3-hidden",
)
"""The tasks that their domains open with. The page opens with the first one, where the agent follows a live swap.
MiniGrid's was never trained on, yet the agent fetched what its prompt showed in 10 of 10 episodes."""

OTHER_TASKS = 6
"""How many tasks of the same domain and another scene are listed, each with its first demonstration."""


def domain_names() -> list[str]:
    """Every domain once, in the order of the favourites."""
    known = dict.fromkeys(task.domain for task in domains.tasks())
    first = [task.partition("/")[0] for task in FAVOURITES if task.partition("/")[0] in known]
    return list(dict.fromkeys([*first, *known]))


def first_task(domain: str) -> str:
    """The task that a domain opens with: a favourite, or one with demonstrations."""
    ids = sorted(task.id for task in domains.tasks(f"{domain}/*"))
    return next((id for id in (*FAVOURITES, *shipped_counts()) if id in ids), ids[0])


def first_prompt(task: str) -> str:
    """Text of the prompt that a task opens with."""
    return f"{task}#0" if task in shipped_counts() else NO_PROMPT


@lru_cache(maxsize=4)
def trained_tasks(checkpoint: str | None) -> frozenset[str]:
    """Ids of the tasks that the checkpoint was trained on; none where there is no checkpoint."""
    from playground.model import read_config

    try:
        training = read_config(checkpoint or assets.ASSETS / "checkpoint")[1]
    except BadFileError:
        return frozenset()
    return frozenset(training.get("tasks", ()))


def catalogue(checkpoint: str | None) -> dict[str, Any]:
    """Every domain with its tasks, for the page's choosers."""
    counts, trained = shipped_counts(), trained_tasks(checkpoint)
    return {
        "domains": [
            {
                "name": domain,
                "first": first_task(domain),
                "tasks": [
                    {
                        "id": task.id,
                        "name": task.name,
                        "prompts": counts.get(task.id, 0),
                        "badge": badge(task.id, trained),
                    }
                    for task in sorted(domains.tasks(f"{domain}/*"), key=lambda task: task.name)
                ],
            }
            for domain in domain_names()
        ]
    }


def gallery(task: str, checkpoint: str | None) -> list[dict[str, Any]]:
    """The demonstrations that are offered for a task, in groups of cards.

    Raises:
        UnknownNameError: there is no such task.
    """
    here, trained = domains.task(task), trained_tasks(checkpoint)
    return [
        {"title": title, "cards": [card(name, _episode(name), here, trained) for name in names]}
        for title, names in offered(task).items()
        if names
    ]


def offered(task: str) -> dict[str, list[str]]:
    """Names of the demonstrations that are offered for a task, by the title of their group.

    Raises:
        UnknownNameError: there is no such task.
    """
    here, counts = domains.task(task), shipped_counts()
    own, scene = scene_prompts(task)
    others = [t.id for t in domains.tasks(f"{here.domain}/*") if t.scene != here.scene and t.id in counts]
    step = max(1, len(others) // OTHER_TASKS)
    foreign = [first_task(domain) for domain in domain_names() if domain != here.domain]
    return {
        "this task": own,
        "same world, another task": scene,
        "other tasks": [f"{other}#0" for other in others[::step][:OTHER_TASKS]],
        "other domains": [f"{other}#0" for other in foreign if other in counts],
    }


def ood_prompts(task: str, checkpoint: str | None) -> list[str]:
    """Names of the offered demonstrations that are out of distribution for the agent.

    Raises:
        UnknownNameError: there is no such task.
    """
    return [name for names in offered(task).values() for name in names if _is_ood(name, checkpoint)]


@lru_cache(maxsize=4096)
def _is_ood(name: str, checkpoint: str | None) -> bool:
    from playground.agent import load_detector, read_prompt

    with MODEL_LOCK:
        found = read_prompt(load_model(checkpoint), Prompt.from_episode(_episode(name)), load_detector(checkpoint)).ood
    sleep(0.1)  # many are scored one after the other: agents that act go first
    return found is not None and found.out_of_distribution


def card(name: str, episode: Episode, here: Task, trained: Iterable[str]) -> dict[str, Any]:
    """What the gallery shows of one demonstration to somebody who watches task `here`."""
    return {
        "name": name,
        "task": episode.task,
        "goal": readable_goal(episode.goal),
        "length": len(episode),
        "return": episode.total_reward,
        "success": episode.success,
        "badge": badge(episode.task, trained),
        "foreign": domains.task(episode.task).scene != here.scene,
    }


def badge(task: str, trained: Iterable[str]) -> str | None:
    """Whether the agent was trained on a task, in words; None where that is not known."""
    return None if not trained else "trained" if task in trained else "held out"


def _episode(name: str) -> Episode:
    task, _, number = name.partition("#")
    return shipped(task)[int(number)]
