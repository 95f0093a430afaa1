"""StepEvents and Decisions: the one stream that window, web page, recorder and metrics consume."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from playground.episode import Episode
from playground.task import Action, Goal, Observation

if TYPE_CHECKING:
    from playground.prompt import Prompt


@dataclass(frozen=True)
class Decision:
    """What a policy proposed for one timestep, and how sure it was.

    Attributes:
        action: the proposed action.
        tokens: int64 [A], the action's tokens; None for policies without tokens.
        probabilities: float32 [A, bins], the distribution of each action token; None for policies without one.
        prompt_steps: timesteps of prompt in the context.
        live_steps: timesteps of the running episode in the context, this one included.
        latency_ms: milliseconds that the decision took.
        subtask: the part of an instruction that the policy carries out now; empty where it follows none.
        label: the action to learn here, where an expert says that it is another than the one to execute.
    """

    action: Action
    tokens: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    prompt_steps: int = 0
    live_steps: int = 0
    latency_ms: float = 0.0
    subtask: str = ""
    label: Action | None = None


@dataclass(frozen=True)
class StepEvent:
    """One timestep of a session, as every consumer sees it. N actions give N + 1 events.

    Attributes:
        episode: number of the episode in this session, from 0.
        t: timestep in the episode, from 0.
        observation: o_t.
        frame: uint8 [H, W, 3] if a consumer asked for pictures at this t.
        action: a_(t-1), the executed action that led here; None at t = 0.
        reward: reward of that action; 0 at t = 0.
        terminated, truncated: whether the episode ended here.
        total_reward: sum of rewards since t = 0.
        goal: the world's goal.
        success: whether the task has been solved at any time in this episode; None where success is undefined.
        decision: what the policy proposed in place of `action`, kept when a person overrode it; None at t = 0.
        prompt: name of the prompt that the decision was made under; None without one.
        seed: what this episode was reset with.
    """

    episode: int
    t: int
    observation: Observation
    frame: np.ndarray | None
    action: Action | None
    reward: float
    terminated: bool
    truncated: bool
    total_reward: float
    goal: Goal
    success: bool | None
    decision: Decision | None
    prompt: str | None
    seed: int

    @property
    def done(self) -> bool:
        """Whether the episode ended here."""
        return self.terminated or self.truncated


Consumer = Callable[[StepEvent], None]
"""Any callable that takes a StepEvent. One with a method `wants_frame(t) -> bool` gets pictures where it says True."""


class Policy(Protocol):
    """What decides. Proposing is not committing: the session commits what was really executed."""

    def condition(self, prompt: "Prompt | None") -> None:
        """Takes another prompt; the live steps stay."""

    def reset(self) -> None:
        """Forgets the live steps; the prompt stays."""

    def act(self, observation: Observation) -> Decision:
        """Proposes an action for o_t."""

    def commit(self, action: Action) -> None:
        """Tells which action was executed at the last observation."""


class BatchPolicy(Protocol):
    """What decides in several environments of one form at a time; each row has its own prompt and live steps."""

    def condition(self, prompts: "Sequence[Prompt | None]", rows: Sequence[int]) -> None:
        """Gives each of these rows its prompt; the live steps stay."""

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets these rows' live steps; the prompts stay."""

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Proposes an action for each of these rows."""

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Tells which actions were executed at the last observations of these rows."""


def episode_from_events(
    task: str, events: Sequence[StepEvent], *, frames: bool = False, labels: bool = False
) -> Episode:
    """The episode that N + 1 events tell of, from t = 0 to the last one; where that did not end it, it is truncated.

    Args:
        task: id of the task.
        events: of one episode, N >= 1.
        frames: whether to keep the pictures, which every event must have.
        labels: whether its actions are the experts' labels, where decisions have one, rather than what was executed.
    """
    last = events[-1]
    return Episode(
        task=task,
        observations={key: np.stack([np.asarray(e.observation[key]) for e in events]) for key in last.observation},
        actions=np.stack([np.asarray(_label(e) if labels else e.action) for e in events[1:]]),
        rewards=np.array([e.reward for e in events[1:]], np.float32),
        terminated=last.terminated,
        truncated=not last.terminated,
        seed=last.seed,
        goal=last.goal,
        success=last.success,
        frames=np.stack([e.frame for e in events if e.frame is not None]) if frames else None,
    )


def _label(event: StepEvent) -> Action | None:
    label = None if event.decision is None else event.decision.label
    return event.action if label is None else label
