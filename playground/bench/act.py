"""`playground bench act`: one decision in one environment, beside the time of its matrix products alone."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

from playground import domains
from playground.agent import Agent, agent_for
from playground.bench.measure import Measurement, sample
from playground.bench.products import bare_products
from playground.demonstrations import find_prompt
from playground.environment import DomainEnv
from playground.model import GeneralistModel
from playground.task import Observation, Task

TASKS = (
    "metaworld/reach",
    "babyai/GoToLocal",
    "dm_control/walker-walk",
    "dm_control/cheetah-run",
    "classic/CartPole",
    "atari/Breakout",
)
"""One task of each domain, and the task with the most decisions a second."""

PICTURES = 30
SIZE = 320
"""Pictures a second of a session that runs in real time, and their size in pixels."""

LIVE_STEPS = 32
"""Steps that are played before the timing begins; their observations are acted on in turns."""


def measure_act(model: GeneralistModel, seconds: float = 1.0) -> Iterator[Measurement]:
    """Times decisions, decisions after a prompt swap, and the whole loop with pictures, in each domain.

    Args:
        model: the network.
        seconds: for each figure.
    """
    for id in TASKS:
        task = domains.task(id)
        env = task.make(SIZE)
        try:
            yield from _measure(task, env, agent_for(model, env), model, seconds)
        finally:
            env.close()


def _measure(task: Task, env: DomainEnv, agent: Agent, model: GeneralistModel, seconds: float) -> Iterator[Measurement]:
    prompts = [prompt for k in (0, 1) if (prompt := find_prompt(f"{task.id}#{k}")) is not None]
    agent.condition(prompts[0])
    seen = cycle(_play(agent, env, LIVE_STEPS))
    act = lambda: agent.act(next(seen))  # noqa: E731
    bare = bare_products(model, act)
    given = cycle(prompts)

    def swap() -> None:
        agent.condition(replace(next(given)))  # a prompt that the agent has not read yet
        agent.act(next(seen))

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    action = act().action
    found = sample({"act": act, "floor": bare, "swap": swap, "step": step, "render": env.render}, seconds, ["render"])
    yield Measurement.of_times(f"{task.id}: act", found["act"], found["floor"], "its matrix products alone")
    yield Measurement.of_times(f"{task.id}: swap the prompt and act", found["swap"])
    world = found["step"].median * task.fps + found["render"].median * PICTURES
    yield Measurement.of_rate(
        f"{task.id}: loop with {PICTURES} pictures/s",
        1e3 / (world + found["act"].median * task.fps),
        "x real time",
        1e3 / world,
        f"simulator at {task.fps:g} Hz and renderer at {SIZE} px alone",
    )


def _play(agent: Agent, env: DomainEnv, steps: int) -> list[Observation]:
    """Plays some steps and returns their observations: what a decision costs depends on how much changed."""
    observation, _ = env.reset(seed=0)
    seen = []
    for _ in range(steps):
        observation, _, terminated, truncated, _ = env.step(agent.act(observation).action)
        if terminated or truncated:
            observation, _ = env.reset()
        seen.append(observation)
    return seen
