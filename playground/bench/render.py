"""`playground bench render`: one filmed step of a session, beside simulator and renderer alone."""

from collections.abc import Callable, Iterator

from playground import domains
from playground.api import open_session
from playground.bench.act import SIZE, TASKS
from playground.bench.measure import Measurement, sample
from playground.environment import DomainEnv
from playground.events import StepEvent


class _Watcher:
    """A consumer that asks for every picture and keeps none."""

    def wants_frame(self, t: int) -> bool:
        return True

    def __call__(self, event: StepEvent) -> None:
        assert event.frame is not None


def measure_render(seconds: float = 1.0) -> Iterator[Measurement]:
    """Times steps with one picture each, in each domain, under random actions and without a model."""
    for id in TASKS:
        bare = domains.task(id).make(SIZE)
        try:
            with open_session(id, "random", size=SIZE, consumers=[_Watcher()]) as session:
                functions: dict[str, Callable[[], object]] = {"session": session.step, "bare": _step_and_draw(bare)}
                found = sample(functions, seconds, list(functions))
        finally:
            bare.close()
        name = f"{id}: step and picture, {SIZE} px"
        yield Measurement.of_times(name, found["session"], found["bare"], "simulator and renderer alone")


def _step_and_draw(env: DomainEnv) -> Callable[[], None]:
    env.reset(seed=0)
    action = env.action_space.sample()

    def work() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        env.render()
        if terminated or truncated:
            env.reset()

    return work
