"""Many episodes at once: one forward pass of the agent for all environments, and the same events as a session.

python demos/many.py --task metaworld/drawer-close --prompt metaworld/drawer-close#0
"""

import typer

from playground import domains, find_prompt, load_model
from playground.agent import BatchAgent
from playground.rollout import EpisodeSpec, Rollout
from playground.task import EVALUATION_SEEDS


def main(
    task: str = "metaworld/drawer-close",
    prompt: str = "metaworld/drawer-close#0",
    episodes: int = 12,
    environments: int = 4,
    checkpoint: str | None = None,
) -> None:
    """Plays the first evaluation episodes of a task under one prompt."""
    found, shown = domains.task(task), find_prompt(prompt)
    goal = shown.goal if shown is not None and found.hidden_goal else None
    envs = [found.make(64) for _ in range(environments)]
    specs = [EpisodeSpec(seed, goal, shown) for seed in EVALUATION_SEEDS[:episodes]]
    run = Rollout(envs, specs, BatchAgent.for_worlds(load_model(checkpoint), envs), found)
    last = {}
    for row, event in run:
        last[event.episode] = event
        if event.success and event.t:
            run.end(row)
    for env in envs:
        env.close()
    for number, event in sorted(last.items()):
        print(f"episode {number:2}   {event.t:4} steps   return {event.total_reward:8.2f}   solved {event.success}")


if __name__ == "__main__":
    typer.run(main)
