"""Chooses and writes the demonstrations that are shipped."""

from operator import itemgetter

from playground import domains
from playground.collecting.experts import expert_episode
from playground.demonstrations.shipped_files import save_shipped, shipped, shipped_counts
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.parallel import raise_failures, run_with_progress, world
from playground.task import PROMPT_SEEDS, Expert, Task

SHORT = 3
"""Demonstrations of fewer timesteps show too little. They are shipped only where there are no others."""


def ship(pattern: str, count: int = 6, workers: int | None = None) -> None:
    """Writes the demonstrations that are shipped: without noise, from seeds of their own, each with another goal.

    Args:
        pattern: as for `domains.tasks`; what was shipped of these tasks is replaced.
        count: demonstrations per task.
        workers: processes; all cores by default.

    Raises:
        PlaygroundError: some tasks failed; all others were written before this is raised.
    """
    jobs = [(task.id, count) for task in domains.tasks(pattern)]
    failures = run_with_progress(ship_task, jobs, workers, _line, itemgetter(0))
    shipped_counts.cache_clear()
    shipped.cache_clear()
    raise_failures(failures, len(jobs))


def ship_task(job: tuple[str, int]) -> list[int]:
    """Writes one task's shipped demonstrations, (id, count); the job of one worker process. Returns their lengths."""
    task, env, expert = world(job[0])
    episodes = choose(task, env, expert, job[1], task.horizons.shipped)
    save_shipped(episodes, env.observation_space, env.action_space)
    return [len(episode) for episode in episodes]


def _line(job: tuple[str, int], lengths: list[int]) -> str:
    return f"{job[0]}: {len(lengths)} demonstrations of {', '.join(map(str, lengths))} timesteps"


def choose(task: Task, env: DomainEnv, expert: Expert, count: int, max_steps: int | None) -> list[Episode]:
    """Demonstrations worth showing: solved ones, or the better half by return, with different goals as far as possible.

    Raises:
        PlaygroundError: the expert failed too often.
    """
    good: list[Episode] = []
    spare: list[Episode] = []
    wanted = count if task.has_success else 2 * count
    for seed in PROMPT_SEEDS[: 6 * count]:
        episode = expert_episode(task, env, expert, seed, max_steps=max_steps)
        if episode.success is False:
            continue
        known = episode.goal is not None and any(episode.goal == other.goal for other in good)
        (spare if known or len(episode) < SHORT else good).append(episode)
        if len(good) == wanted:
            break
    found = (good + spare)[:wanted]
    if len(found) < count:
        raise PlaygroundError(f"{task.id}: the expert solved {len(found)} episodes, {count} are wanted; ask for fewer")
    return sorted(found, key=lambda episode: episode.score, reverse=True)[:count]
