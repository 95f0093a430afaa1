"""Prompts: demonstrations, cut, strided, joined or corrupted, that the agent is conditioned on."""

from dataclasses import dataclass, replace

import numpy as np

from playground.episode import Episode
from playground.errors import BadValueError
from playground.task import Goal


@dataclass(frozen=True)
class Segment:
    """Timesteps (o_t, a_t) of one demonstration.

    Attributes:
        task: the task that the demonstration is of.
        observations: key -> array [P, ...].
        actions: float32 [P, A] or int64 [P].
        use_observations: False hides the observations from the agent.
        use_actions: False hides the actions from the agent.
        name: name of the demonstration, `domain/task#K` for a shipped one.
        steps: int64 [P], which timesteps of the demonstration these are; 0, 1, … if left out.
    """

    task: str
    observations: dict[str, np.ndarray]
    actions: np.ndarray
    use_observations: bool = True
    use_actions: bool = True
    name: str = ""
    steps: np.ndarray = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        """Numbers the timesteps where the caller did not."""
        if self.steps is None:
            object.__setattr__(self, "steps", np.arange(len(self.actions)))

    def __len__(self) -> int:
        """Number of timesteps, P."""
        return len(self.actions)

    def take(self, index: np.ndarray | slice) -> "Segment":
        """The timesteps at `index`, in that order."""
        return replace(
            self,
            observations={key: values[index] for key, values in self.observations.items()},
            actions=self.actions[index],
            steps=self.steps[index],
        )


@dataclass(frozen=True)
class Prompt:
    """What the agent is conditioned on: segments in the order in which the agent reads them.

    Attributes:
        name: `domain/task#K` for a shipped demonstration, or any name to show.
        segments: the demonstrations; several are read one after the other.
        goal: the goal of the (last) demonstration; a rollout's world takes it unless another is asked for.
        seed: the (last) demonstration's own start, which a rollout never takes.
    """

    name: str
    segments: tuple[Segment, ...]
    goal: Goal = None
    seed: int | None = None

    @classmethod
    def from_episode(
        cls, episode: Episode, name: str = "", start: int = 0, length: int | None = None, stride: int = 1
    ) -> "Prompt":
        """Cuts timesteps start, start + stride, … below start + length out of an episode.

        Raises:
            BadValueError: the cut is empty or the stride is below 1.
        """
        if stride < 1:
            raise BadValueError(f"prompt stride is {stride}; give 1 or more")
        stop = len(episode) if length is None else min(start + length, len(episode))
        if not 0 <= start < stop:
            raise BadValueError(
                f"prompt cut [{start}, {stop}) of an episode with {len(episode)} steps is empty; start earlier"
            )
        observations = {key: values[:-1] for key, values in episode.observations.items()}
        whole = Segment(episode.task, observations, episode.actions, name=name or episode.task)
        segment = whole.take(slice(start, stop, stride))
        return cls(name or episode.task, (segment,), episode.goal, episode.seed)

    def __len__(self) -> int:
        """Number of timesteps, P."""
        return sum(len(segment) for segment in self.segments)

    @property
    def task(self) -> str:
        """Task id of the last demonstration."""
        return self.segments[-1].task

    def shuffled(self, seed: int = 0) -> "Prompt":
        """The same timesteps in random order: content without time."""
        rng = np.random.default_rng(seed)
        segments = tuple(s.take(rng.permutation(len(s))) for s in self.segments)
        return replace(self, name=f"{self.name} shuffled", segments=segments)

    def reversed(self) -> "Prompt":
        """The same timesteps played backwards."""
        segments = tuple(s.take(slice(None, None, -1)) for s in reversed(self.segments))
        return replace(self, name=f"{self.name} reversed", segments=segments)

    def actions_only(self) -> "Prompt":
        """The same timesteps with hidden observations."""
        segments = tuple(replace(s, use_observations=False) for s in self.segments)
        return replace(self, name=f"{self.name} actions only", segments=segments)

    def observations_only(self) -> "Prompt":
        """The same timesteps with hidden actions."""
        segments = tuple(replace(s, use_actions=False) for s in self.segments)
        return replace(self, name=f"{self.name} observations only", segments=segments)

    def joined(self, other: "Prompt") -> "Prompt":
        """This prompt followed by another; goal and task become the other's."""
        return replace(other, name=f"{self.name} + {other.name}", segments=self.segments + other.segments)
