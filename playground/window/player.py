"""What the window shows and the keys change, without a screen: sessions, their clock, and what to run next.

The loop itself is the session's; here is only when to step it, and under which prompt.
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np

from playground import domains
from playground.errors import PlaygroundError
from playground.events import StepEvent
from playground.facade import open_session, world_seed
from playground.prompt import Prompt
from playground.session import Session
from playground.task import EVALUATION_SEEDS
from playground.viewing.catalogue import NO_PROMPT, find_demonstration, prompt_choices
from playground.viewing.reel import Painter, Reel

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MAX_FPS = 60.0
END_PAUSE_SECONDS = 1.2
CATCH_UP_SECONDS = 0.25
"""Time that is made up for after a delay; what is beyond is lost, and the readouts say so."""

SHUFFLED = " shuffled"
"""Behind the name of a prompt whose timesteps are in random order."""


class View:
    """One session as it is watched: under which prompt, its newest picture, and when its steps were."""

    def __init__(self, player: "Player", session: Session, prompt: str):
        self.session, self.prompt = session, prompt
        self.picture: np.ndarray | None = None
        self.ticks: deque[tuple[float, bool]] = deque(maxlen=2000)
        self._player = player
        session.consumers.append(self)

    @property
    def event(self) -> StepEvent | None:
        return self.session.last

    def wants_frame(self, t: int) -> bool:
        return self._player.drawing

    def __call__(self, event: StepEvent) -> None:
        if event.t == 0:
            self.ticks.clear()
        self.ticks.append((self._player.clock(), event.frame is not None))
        if event.frame is not None:
            self.picture = event.frame


class Player:
    """Sessions under the keys of one person.

    Args:
        task: task id to open with.
        prompt: name of the prompt to open with; None takes the task's first demonstration.
        agent: who acts, see `playground.facade.AGENTS`.
        checkpoint: checkpoint folder; None takes the shipped one.
        seed: start of the first episode.
        size: width of pictures.
        clock: seconds.
    """

    def __init__(
        self,
        task: str,
        prompt: str | None = None,
        agent: str = "model",
        checkpoint: str | None = None,
        seed: int = 0,
        size: int = 480,
        clock: Callable[[], float] = perf_counter,
    ):
        self.clock = clock
        self.playing, self.speed, self.drawing = True, 1.0, True
        self.message = self.error = ""
        self.views: list[View] = []
        self._agent, self._checkpoint, self._seed, self._size = agent, checkpoint, seed, size
        self._painter = Painter(160)
        self._due = 0.0
        self._next: tuple[str, str | None] | None = (task, prompt)
        self.task, self.prompts, self.marks = "", [NO_PROMPT], dict[int, str]()

    @property
    def view(self) -> View:
        """The view that keys and people act on: the first."""
        return self.views[0]

    @property
    def busy(self) -> str:
        """What is about to be built, which takes a moment."""
        return "" if self._next is None else f"building {self._next[0]} …"

    @property
    def reel(self) -> Reel | None:
        """The present prompt's demonstration, drawn or being drawn."""
        demonstration = find_demonstration(self.view.prompt.removesuffix(SHUFFLED)) if self.views else None
        return None if demonstration is None else self._painter.reel(demonstration.name, demonstration.episode)

    def close(self) -> None:
        """Closes the worlds."""
        for view in self.views:
            view.session.close()
        self.views = []
        self._painter.close()

    # Time

    def advance(self) -> None:
        """Builds what is asked for and makes the steps that are due; errors stop the clock and are shown."""
        self.attempt(self._advance)

    def attempt(self, action: Callable[[], None]) -> None:
        """Does something that may fail: then the world waits, and `error` tells why."""
        try:
            action()
        except PlaygroundError as error:
            self.playing, self.error = False, " ".join(str(error).split())
        except Exception as error:  # a simulator's or an agent's own: shown, not fatal
            self.playing, self.error = False, f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _advance(self) -> None:
        if self._next is not None:
            wanted, self._next = self._next, None
            self._open(*wanted)
        if not self.views or not self.playing:
            return
        now = self.clock() + 1e-6  # sums of steps' lengths are not exact
        pace = 1 / (self.fps * self.speed)
        self._due = max(self._due, now - CATCH_UP_SECONDS)
        stop = now + 1 / MAX_FPS
        while self._due <= now:
            self.drawing = self._due + pace > now or self.clock() >= stop
            if self._step():
                self._due = self.clock() + END_PAUSE_SECONDS
                return
            self._due += pace
            if self.drawing:
                return

    @property
    def fps(self) -> float:
        """The world's own rate."""
        return self.view.session.task.fps if self.views and self.view.session.task else 1.0

    def _step(self) -> bool:
        """One step of every view whose episode runs on; tells whether all episodes have ended."""
        over = all(view.event is not None and view.event.done for view in self.views)
        for view in self.views:
            if over or view.event is None or not view.event.done:
                event = view.session.step()
                if event.done and event.frame is None:
                    view.picture = view.session.env.render()
        self.error = ""
        return all(view.event is not None and view.event.done for view in self.views)

    def _show(self) -> None:
        """One step at once, so that a request is seen while the clock stands."""
        self.drawing = True
        self._step()
        self._wait()

    def _wait(self) -> None:
        """The next step is due when one has passed."""
        self._due = self.clock() + 1 / (self.fps * self.speed)

    # What keys ask for

    def toggle_pause(self) -> None:
        self.playing, self.error = not self.playing, ""
        self._wait()

    def step_once(self) -> None:
        self.playing = False
        self._show()

    def change_speed(self, by: int) -> None:
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + by, 0), len(SPEEDS) - 1)]
        self._wait()
        for view in self.views:
            view.ticks.clear()
        self.message = f"speed x {self.speed:g}"

    def reset(self, new: bool = False) -> None:
        """The same start again, or a new one."""
        assert self.view.event is not None
        seed = self.view.event.seed - EVALUATION_SEEDS.start
        self._seed = (seed + 1) % len(EVALUATION_SEEDS) if new else seed
        for view in self.views:
            view.session.reset(world_seed(self._seed))
        self._show()
        self.message = f"seed {self._seed}"

    def open(self, task: str, prompt: str | None = None) -> None:
        """Asks for another world, which the next `advance` builds."""
        self._next = (task, prompt)

    def change_task(self, by: int) -> None:
        """The next task of the same domain, or of the next domain."""
        ids = [task.id for task in domains.tasks()]
        current = self._next[0] if self._next is not None else self.task
        self.open(ids[(ids.index(current) + by) % len(ids)])

    def change_prompt(self, by: int) -> None:
        """The next prompt that belongs to this scene."""
        base = self.view.prompt.removesuffix(SHUFFLED)
        here = self.prompts.index(base) if base in self.prompts else 0
        self.swap(self.prompts[(here + by) % len(self.prompts)])

    def swap_to_mark(self, number: int) -> None:
        """Digit 0 takes the prompt away, the others take the marked one."""
        if number == 0:
            self.swap(NO_PROMPT)
        elif number in self.marks:
            self.swap(self.marks[number])
        else:
            self.message = f"no prompt is marked {number}; shift+{number} marks the present one"

    def mark(self, number: int) -> None:
        """Makes the present prompt the one of a digit."""
        if number and self.view.prompt != NO_PROMPT:
            self.marks[number] = self.view.prompt
            self.message = f"{number} is {self.view.prompt}"

    def shuffle(self) -> None:
        """The prompt's timesteps in random order, or in their own again."""
        name = self.view.prompt
        if name != NO_PROMPT:
            self.swap(name.removesuffix(SHUFFLED) if name.endswith(SHUFFLED) else name + SHUFFLED)

    def swap(self, name: str) -> None:
        """Another prompt: same world, same live steps; it counts from the next step on."""
        self.view.session.prompt, self.view.prompt = find(name), name
        self.message = "no prompt" if name == NO_PROMPT else f"prompt {name}"

    def _open(self, task: str, prompt: str | None) -> None:
        """Another world: built before the old one goes, so that a failure leaves the old one running."""
        prompts = [value for _, value in prompt_choices(task)]
        name = prompt or prompts[0]
        session = open_session(task, self._agent, find(name), self._seed, None, self._checkpoint, self._size)
        for view in self.views:
            view.session.close()
        self.views = [View(self, session, name)]
        self.task, self.prompts = task, prompts
        self.marks = {n + 1: name for n, name in enumerate(prompts[:9]) if name != NO_PROMPT}
        self.message = self.error = ""
        self._show()


def find(name: str) -> Prompt | None:
    """The prompt of a name in the window: a demonstration's, with ` shuffled` behind it if it is."""
    demonstration = find_demonstration(name.removesuffix(SHUFFLED))
    prompt = None if demonstration is None else demonstration.prompt
    return prompt.shuffled() if prompt is not None and name.endswith(SHUFFLED) else prompt
