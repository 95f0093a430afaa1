"""Episodes: N actions, N + 1 observations. What is recorded, shipped, exchanged and prompted with."""

from dataclasses import dataclass

import numpy as np

from playground.errors import BadValueError
from playground.task import Goal


@dataclass(frozen=True)
class Episode:
    """One recorded rollout, by an expert, an agent or a person.

    Attributes:
        task: task id, `domain/name`.
        observations: key -> array [N + 1, ...]; text is a NumPy string array [N + 1].
        actions: float32 [N, A] or int64 [N].
        rewards: float32 [N].
        terminated: whether the last step ended the episode in the environment's own sense.
        truncated: whether a time limit or the recorder ended it.
        seed: what the environment was reset with, if known.
        goal: the episode's aim, if the task has one.
        success: whether the task was solved at any time; None where the domain defines no success.
        frames: uint8 [N + 1, H, W, 3] if pictures were kept.
    """

    task: str
    observations: dict[str, np.ndarray]
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool = False
    truncated: bool = False
    seed: int | None = None
    goal: Goal = None
    success: bool | None = None
    frames: np.ndarray | None = None

    def __post_init__(self) -> None:
        steps = len(self.actions)
        if len(self.rewards) != steps:
            raise BadValueError(
                f"episode of {self.task}: {len(self.rewards)} rewards for {steps} actions; give one each"
            )
        for key, values in self.observations.items():
            if len(values) != steps + 1:
                raise BadValueError(
                    f"episode of {self.task}: {len(values)} observations {key!r} for {steps} actions; "
                    f"give one more than actions"
                )
        for name, values in {"rewards": self.rewards, "actions": self.actions, **self.observations}.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise BadValueError(f"episode of {self.task}: {name} holds NaN or infinity; record it again")
        if self.frames is not None and len(self.frames) != steps + 1:
            raise BadValueError(f"episode of {self.task}: {len(self.frames)} frames for {steps} actions; give one more")

    def __len__(self) -> int:
        """Number of actions, N."""
        return len(self.actions)

    @property
    def score(self) -> float:
        """What the episode counts for: 1 or 0 where success is defined, else its return."""
        return self.total_reward if self.success is None else float(self.success)

    @property
    def total_reward(self) -> float:
        """The sum of its rewards."""
        return float(self.rewards.sum(dtype=np.float64))
