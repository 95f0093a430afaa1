"""Sessions, policies and models from names: what scripts, the command line, the page and the window share."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from playground import domains
from playground.demonstrations import find_prompt
from playground.domains.atari.q_network import load_q_network, q_policy_folder
from playground.environment import DomainEnv
from playground.errors import BadValueError, UnknownNameError
from playground.events import Consumer, Policy
from playground.policies import DQNPolicy, ExpertPolicy, NearestNeighbourPolicy, RandomPolicy
from playground.prompt import Prompt
from playground.session import Session
from playground.task import EVALUATION_SEEDS, Goal, Task

if TYPE_CHECKING:
    from playground.model import GeneralistModel

AGENTS = ("model", "expert", "random", "nearest", "dqn")
"""Who can act: the trained agent, the expert, the random policy, the prompt's nearest step, and DQN in its games."""


PROMPTED = ("model", "nearest")
"""Those who read a prompt."""


def load_model(checkpoint: str | Path | None = None) -> "GeneralistModel":
    """Returns the trained agent's network; everybody who asks for the same checkpoint shares it.

    Args:
        checkpoint: checkpoint folder; None takes the shipped one.

    Raises:
        BadFileError: the checkpoint is missing or damaged.
    """
    from playground.model import load_model as load

    return load(checkpoint)


def make_policy(agent: str, task: Task, env: DomainEnv, seed: int = 0, checkpoint: str | None = None) -> Policy:
    """Makes the policy that acts in an environment. Agents of one checkpoint share its weights.

    Args:
        agent: one of `AGENTS`.
        task: whose expert is made, if the expert acts.
        env: where the policy acts.
        seed: of the random policy.
        checkpoint: checkpoint folder; None takes the shipped one.

    Raises:
        UnknownNameError: `agent` is none of AGENTS, or a DQN of this game is not there.
        BadFileError: the checkpoint is missing or damaged.
        BadValueError: the DQN was trained on another game.
    """
    match agent:
        case "model":
            from playground.agent import agent_for, load_detector

            return agent_for(load_model(checkpoint), env, load_detector(checkpoint))
        case "expert":
            return ExpertPolicy(task, env)
        case "random":
            return RandomPolicy(env.action_space, seed)
        case "nearest":
            return NearestNeighbourPolicy(env.action_space)
        case "dqn":
            return DQNPolicy(load_q_network(q_policy_folder(task.name, checkpoint)), env, seed)
        case _:
            raise UnknownNameError("agent", agent, AGENTS)


def world_seed(seed: int) -> int:
    """Returns the environment seed for a person's `seed`: one of those that nothing was trained on.

    Raises:
        BadValueError: `seed` is negative or too large.
    """
    if not 0 <= seed < len(EVALUATION_SEEDS):
        raise BadValueError(f"seed is {seed}; give 0 to {len(EVALUATION_SEEDS) - 1}")
    return EVALUATION_SEEDS[seed]


def open_session(
    task: str,
    agent: str = "model",
    prompt: str | Prompt | None = None,
    seed: int = 0,
    goal: Goal = None,
    checkpoint: str | None = None,
    size: int = 320,
    consumers: Iterable[Consumer] = (),
) -> Session:
    """Opens a session of a task; it is a context manager that closes the environment.

    Args:
        task: task id, `domain/name`.
        agent: one of AGENTS.
        prompt: a Prompt, or its text such as `classic/CartPole#0`, see `playground.prompt_spec`.
        seed: seed of the first episode, see `world_seed`.
        goal: the environment's goal; the prompt's if left out.
        checkpoint: checkpoint folder; None takes the shipped one.
        size: width of pictures in pixels.
        consumers: called with every event.

    Raises:
        UnknownNameError: there is no such task, agent or prompt.
        BadValueError: the seed is out of range, or the goal is none of the task's.
        BadFileError: the checkpoint is missing or damaged.
    """
    found, first = domains.task(task), world_seed(seed)
    wanted = find_prompt(prompt) if isinstance(prompt, str) else prompt
    env = found.make(size)
    try:
        policy = make_policy(agent, found, env, seed, checkpoint)
        return Session(env, policy, wanted, first, goal, found, consumers)
    except BaseException:
        env.close()
        raise
