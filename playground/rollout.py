"""The loop of many environments: one decision of a batch policy for all of them a step, and the same events as Session.

`EnvRunner` is what both loops share: it steps one environment and makes the StepEvents.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.events import BatchPolicy, Decision, Policy, StepEvent
from playground.prompt import Prompt
from playground.task import Action, Goal, Observation, Task


@dataclass(frozen=True)
class EpisodeSpec:
    """What an episode begins with.

    Attributes:
        seed: what the environment is reset with.
        goal: the environment's goal; None lets the seed draw one.
        prompt: what the policy is conditioned on.
    """

    seed: int
    goal: Goal = None
    prompt: Prompt | None = None


class EnvRunner:
    """Steps one environment and makes an event of each step: N actions give N + 1 events.

    Args:
        env: the environment.
        task: the task that `env` is of; without it, events do not report success.
    """

    def __init__(self, env: DomainEnv, task: Task | None = None):
        self.env, self.task = env, task
        self._last: StepEvent | None = None

    @property
    def last(self) -> StepEvent:
        """The latest event; there is none before `start`."""
        assert self._last is not None, "start an episode first"
        return self._last

    def start(
        self, seed: int, goal: Goal = None, *, episode: int = 0, prompt: str | None = None, frame: bool = False
    ) -> StepEvent:
        """Begins an episode; its event is the one of t = 0.

        Args:
            seed: what the environment is reset with.
            goal: the environment's goal; None lets the seed draw one.
            episode: number of the episode.
            prompt: name of the prompt, to note in the event.
            frame: whether the event gets a picture.

        Raises:
            BadValueError: the goal cannot be set.
        """
        observation = self.env.start(seed, goal)
        self._last = StepEvent(
            episode=episode,
            t=0,
            observation=observation,
            frame=self.env.render() if frame else None,
            action=None,
            reward=0.0,
            terminated=False,
            truncated=False,
            total_reward=0.0,
            goal=self.env.goal,
            success=self._success,
            decision=None,
            prompt=prompt,
            seed=seed,
        )
        return self._last

    def step(
        self, action: Action, decision: Decision | None = None, *, prompt: str | None = None, frame: bool = False
    ) -> StepEvent:
        """Executes one action.

        Args:
            action: what is executed.
            decision: what the policy proposed.
            prompt: name of the prompt that it was proposed under.
            frame: whether the event gets a picture.
        """
        last = self.last
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self._last = StepEvent(
            episode=last.episode,
            t=last.t + 1,
            observation=observation,
            frame=self.env.render() if frame else None,
            action=action,
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            total_reward=last.total_reward + float(reward),
            goal=self.env.goal,
            success=self._success,
            decision=decision,
            prompt=prompt,
            seed=last.seed,
        )
        return self._last

    @property
    def _success(self) -> bool | None:
        return bool(self.env.success) if self.task is not None and self.task.has_success else None


class Rollout:
    """Episodes in several environments; iterating over it plays them and gives (row, event).

    An environment whose episode has ended starts the next one. Whoever iterates may swap a row's prompt and end its
    episode before the environment does.

    Args:
        envs: B environments, one per row.
        specs: the episodes, in the order in which free rows take them; or a function that gives the next one of a row,
            None when there are no more. The number of an episode, `StepEvent.episode`, counts those that were started.
        policy: who acts, in B rows.
        task: the task that `envs` are of; without it, events do not report success.
        skip_impossible: whether episodes that cannot be started are left out, rather than raised.
    """

    def __init__(
        self,
        envs: Sequence[DomainEnv],
        specs: Iterable[EpisodeSpec] | Callable[[int], EpisodeSpec | None],
        policy: BatchPolicy,
        task: Task | None = None,
        skip_impossible: bool = False,
    ):
        self._runners = [EnvRunner(env, task) for env in envs]
        self._draw = specs if callable(specs) else _in_turn(specs)
        self._policy = policy
        self._skip_impossible = skip_impossible
        self._prompts: dict[int, Prompt | None] = {}  # of the rows whose episodes are running
        self._started = 0

    def __iter__(self) -> Iterator[tuple[int, StepEvent]]:
        """Plays all episodes.

        Raises:
            BadValueError: an episode cannot be started.
        """
        while True:
            yield from self._start_free_rows()
            if not self._prompts:
                return
            yield from self._step()

    def swap(self, row: int, prompt: Prompt | None) -> None:
        """Gives a running row another prompt, which counts from its next decision on; live steps stay."""
        self._policy.condition([prompt], [row])
        self._prompts[row] = prompt

    def end(self, row: int) -> None:
        """Ends a row's episode with the event that it has just given."""
        self._prompts.pop(row, None)

    def _start_free_rows(self) -> Iterator[tuple[int, StepEvent]]:
        fresh = [row for row in range(len(self._runners)) if row not in self._prompts and self._start(row)]
        if fresh:
            self._policy.condition([self._prompts[row] for row in fresh], fresh)
            self._policy.reset(fresh)
        for row in fresh:
            yield row, self._runners[row].last

    def _start(self, row: int) -> bool:
        """Starts a row's next episode; False if there is none."""
        while (spec := self._draw(row)) is not None:
            try:
                self._runners[row].start(spec.seed, spec.goal, episode=self._started, prompt=_name(spec.prompt))
            except BadValueError:
                if not self._skip_impossible:
                    raise
            else:
                self._started += 1
                self._prompts[row] = spec.prompt
                return True
        return False

    def _step(self) -> Iterator[tuple[int, StepEvent]]:
        rows = sorted(self._prompts)
        decisions = self._policy.act([self._runners[row].last.observation for row in rows], rows)
        events = [
            self._runners[row].step(decision.action, decision, prompt=_name(self._prompts[row]))
            for row, decision in zip(rows, decisions, strict=True)
        ]
        self._policy.commit([decision.action for decision in decisions], rows)
        for row, event in zip(rows, events, strict=True):
            yield row, event
            if event.done:
                self.end(row)


def _in_turn(specs: Iterable[EpisodeSpec]) -> Callable[[int], EpisodeSpec | None]:
    left = iter(specs)
    return lambda row: next(left, None)


def _name(prompt: Prompt | None) -> str | None:
    return None if prompt is None else prompt.name


class IndependentPolicies:
    """A policy per row, as one `BatchPolicy`."""

    def __init__(self, policies: Sequence[Policy]):
        self._policies = policies

    def condition(self, prompts: Sequence[Prompt | None], rows: Sequence[int]) -> None:
        """Gives each of these rows its prompt; the live steps stay."""
        for row, prompt in zip(rows, prompts, strict=True):
            self._policies[row].condition(prompt)

    def reset(self, rows: Sequence[int]) -> None:
        """Forgets these rows' live steps; the prompts stay."""
        for row in rows:
            self._policies[row].reset()

    def act(self, observations: Sequence[Observation], rows: Sequence[int]) -> list[Decision]:
        """Proposes an action for each of these rows."""
        return [self._policies[row].act(observation) for row, observation in zip(rows, observations, strict=True)]

    def commit(self, actions: Sequence[Action], rows: Sequence[int]) -> None:
        """Tells which actions were executed at the last observations of these rows."""
        for row, action in zip(rows, actions, strict=True):
            self._policies[row].commit(action)
