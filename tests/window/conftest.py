"""A window without a screen: SDL's dummy driver, a clock that the test turns, and keys as posted events."""

from collections.abc import Callable, Iterator

import pygame
import pytest

from playground.window.app import App
from playground.window.viewer import Viewer
from tests.conftest import TASK


class Person:
    """Who presses keys of an app and lets its time pass."""

    def __init__(self, task: str = TASK, agent: str = "random", prompt: str | None = None, **options):
        self.now = 0.0
        self.app = App(Viewer(task, prompt, agent, size=64, clock=lambda: self.now, **options), (640, 400))
        self.wait(0.01)

    @property
    def viewer(self) -> Viewer:
        return self.app.viewer

    @property
    def event(self):
        return self.viewer.view.event

    def wait(self, seconds: float = 0.1) -> None:
        """Lets time pass in turns of at most 50 ms."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + 0.05)
            self.app.turn()

    def post(self, kind: int, **about) -> None:
        """One event of pygame; no time passes."""
        pygame.event.post(pygame.event.Event(kind, about))
        self.app.turn()

    def hold(self, code: int) -> None:
        self.post(pygame.KEYDOWN, key=code, mod=0)

    def let_go(self, code: int) -> None:
        self.post(pygame.KEYUP, key=code, mod=0)

    def press(self, *codes: int, shift: bool = False) -> None:
        """Presses and releases keys, one after the other; no time passes."""
        for code in codes:
            for kind in (pygame.KEYDOWN, pygame.KEYUP):
                pygame.event.post(pygame.event.Event(kind, key=code, mod=pygame.KMOD_SHIFT if shift else 0))
            self.app.turn()


@pytest.fixture
def open_window(demonstrations, monkeypatch, tmp_path) -> Iterator[Callable[..., Person]]:
    """Opens windows; they are closed after the test."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()  # which an environment of an earlier test may have begun with another driver
    monkeypatch.setenv("PLAYGROUND_RECORDINGS", str(tmp_path / "recordings"))
    people: list[Person] = []

    def make(*arguments, **options) -> Person:
        people.append(Person(*arguments, **options))
        return people[-1]

    yield make
    for person in people:
        person.app.close()
