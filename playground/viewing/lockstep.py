"""Sessions in step: one to four panels that start together and step together, and the clock that says when.

A front end owns the loop: it asks whether a step is due, calls `advance`, and shows the panels.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeVar

from playground.errors import BadValueError, UnknownNameError
from playground.recording.film import shared_goal
from playground.task import Goal
from playground.viewing.panel import Panel

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""World seconds per second that a person can choose."""

FASTEST = "max"
"""A speed without a clock: as many steps as the machine makes."""

MAX_PANELS = 4
"""Prompts that can be compared."""

END_PAUSE_SECONDS = 1.2
"""How long the end of an episode is shown, at real time."""

CATCH_UP_SECONDS = 0.25
"""Delay that is made up for; what is beyond is lost, and the readouts say so."""

P = TypeVar("P", bound=Panel)


class Lockstep(Generic[P]):
    """Panels in step. The first one, `main`, is the one that a person acts on.

    Args:
        clock: seconds.

    Attributes:
        panels: none until `open`.
        playing: whether nobody paused.
        due: when the next step is due, on the clock.
        speed: one of SPEEDS, or FASTEST.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter):
        self.clock = clock
        self.panels: list[P] = []
        self.playing, self.due = True, 0.0
        self.speed: float | str = 1.0

    @property
    def main(self) -> P:
        """The first panel."""
        if not self.panels:
            raise BadValueError("no world is open; choose a task")
        return self.panels[0]

    @property
    def over(self) -> bool:
        """Whether the episode has ended in every panel."""
        return all(panel.over for panel in self.panels)

    @property
    def ready(self) -> bool:
        """Whether time passes: a world is open, nobody paused, and it does not wait for a person."""
        return self.playing and bool(self.panels) and not self.main.waits

    # The clock

    @property
    def pace(self) -> float:
        """Seconds from one step to the next."""
        return 0.0 if isinstance(self.speed, str) else 1 / (self.main.task.fps * self.speed)

    @property
    def end_pause(self) -> float:
        """Seconds from the end of an episode to the start of the next."""
        return 0.0 if isinstance(self.speed, str) else END_PAUSE_SECONDS / max(1.0, self.speed)

    def set_speed(self, speed: float | str) -> None:
        """Another speed; the next step is due one step's time from now."""
        self.speed = speed
        for panel in self.panels:
            panel.ticks.clear()
        self.wait()

    def wait(self) -> None:
        """Makes the next step due in one step's time."""
        self.due = self.clock() + (self.pace if self.panels else 0.0)

    def catch_up(self) -> None:
        """Gives up what is later than CATCH_UP_SECONDS; called before due steps are made."""
        self.due = max(self.due, self.clock() - CATCH_UP_SECONDS)

    def advance(self, draw: bool = True) -> None:
        """Makes the step that is due, and says when the next one is."""
        self.step(draw)
        self.due = self.clock() + self.end_pause if self.over else self.due + self.pace

    # Steps

    def step(self, draw: bool = True) -> None:
        """One step of every panel whose episode still runs; a start of all, once every episode has ended.

        Args:
            draw: whether it is drawn; starts and ends always are.
        """
        if self.main.event is None or self.over:
            self.start()
            return
        for panel in self.panels:
            panel.draws = draw
            if not panel.over:
                panel.step()

    def start(self) -> None:
        """Starts an episode everywhere: from one seed, with one goal, so that only the prompts differ."""
        main, others = self.main, self.panels[1:]
        goal = self._shared_goal() if others else None
        for panel in self.panels:
            panel.draws = True
            panel.aim(goal)
        event = main.step()
        for panel in others:
            panel.reset(event.seed)
            panel.step()

    def _shared_goal(self) -> Goal:
        """The goal of compared worlds: the main prompt's if it has one for this task, else the running one."""
        main = self.main
        goal = shared_goal(main.task, [main.session.prompt])
        return main.event.goal if goal is None and main.event is not None else goal

    def reset(self, seed: int | None = None) -> None:
        """Starts an episode everywhere, from the world's `seed` or from the running episode's start."""
        for panel in self.panels:
            panel.reset(seed)
        self.start()
        self.wait()

    def rewind(self, seconds: float) -> bool:
        """Takes every world back by so many of its seconds; False if one was pulled at, so that it cannot be."""
        if any(panel.pulled for panel in self.panels):
            return False
        times = [0 if panel.event is None else panel.event.t for panel in self.panels]
        back_to = max(0, max(times) - round(seconds * self.main.task.fps))
        for panel, t in zip(self.panels, times, strict=True):
            if t > back_to:  # else it ended before that time
                panel.session.rewind(t - back_to)
                panel.draws = True
                panel.step()
        self.wait()
        return True

    # The panels

    def open(self, panels: list[P]) -> None:
        """Shows these panels in place of others, which are closed, and starts them."""
        self.close()
        self.panels = panels
        self.start()
        self.wait()

    def compare(self, panel: P) -> None:
        """One more panel beside the others; all start again, so that they stay in step."""
        self.panels.append(panel)
        panel.mask.on, panel.env.camera = self.main.mask.on, self.main.env.camera
        assert self.main.event is not None
        self.reset(self.main.event.seed)

    def check_room(self) -> None:
        """Checks that one more panel can be compared.

        Raises:
            BadValueError: there are as many as can be.
        """
        if len(self.panels) >= MAX_PANELS:
            raise BadValueError(f"{MAX_PANELS} prompts are compared already; drop one first")

    def drop(self, number: int) -> None:
        """Closes one of several panels.

        Raises:
            BadValueError: there is no such panel, or no other one.
        """
        panel = self.panel(number)
        if len(self.panels) == 1:
            raise BadValueError("the last panel stays; open another task in its place")
        self.panels.remove(panel)
        panel.close()

    def panel(self, number: int) -> P:
        """The panel of that number, from 0.

        Raises:
            BadValueError: there is none.
        """
        if not 0 <= number < len(self.panels):
            raise BadValueError(f"there is no panel {number}; there are {len(self.panels)}")
        return self.panels[number]

    def look(self, camera: str) -> None:
        """Pictures from another place, in every panel.

        Raises:
            UnknownNameError: the world has no such camera.
        """
        if camera not in self.main.env.cameras:
            raise UnknownNameError("camera", camera, self.main.env.cameras)
        for panel in self.panels:
            panel.look(camera)

    def push(self) -> None:
        """Pushes the body in every panel."""
        for panel in (self.main, *self.panels[1:]):
            panel.push()

    def blindfold(self, on: bool) -> None:
        """Masks the observations of every panel's policy, or no longer."""
        for panel in self.panels:
            panel.mask.on = on

    def close(self) -> None:
        """Closes every world."""
        for panel in self.panels:
            panel.close()
        self.panels = []
