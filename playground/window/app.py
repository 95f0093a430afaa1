"""The window itself: pygame's events become the player's requests, and the screen is drawn, sixty times a second."""

import os
from collections.abc import Callable

import pygame

from playground.errors import PlaygroundError
from playground.window.keys import listed, pressed_digit, pressed_key
from playground.window.player import MAX_FPS, Player
from playground.window.screen import Screen

SHARE = 0.8
"""Of the desktop's height that the window takes at first."""


class App:
    """A window with a player in it.

    Args:
        player: what runs; the app closes it.
        size: of the window in pixels; by the desktop's if left out.

    Raises:
        PlaygroundError: there is no display.
    """

    def __init__(self, player: Player, size: tuple[int, int] | None = None):
        os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
        os.environ["SDL_FRAMEBUFFER_ACCELERATION"] = "0"  # SDL's own OpenGL context would lock MuJoCo's out
        try:
            pygame.display.init()
        except pygame.error as error:
            raise _no_display(str(error)) from error
        driver = pygame.display.get_driver()
        if driver in ("offscreen", "dummy") and os.environ.get("SDL_VIDEODRIVER") != driver:
            pygame.display.quit()
            raise _no_display(f"SDL found only {driver!r}")
        pygame.font.init()
        self.player, self.screen, self.running = player, Screen(player), True
        self._surface = pygame.display.set_mode(size or _fitting_size(), pygame.RESIZABLE)
        pygame.display.set_caption("Playground")

    def run(self) -> None:
        """Until the person quits; holds at most `MAX_FPS`."""
        clock = pygame.time.Clock()
        while self.running:
            self.turn()
            clock.tick(MAX_FPS)

    def turn(self) -> None:
        """One turn: what the person did, the steps that are due, a drawing."""
        for event in pygame.event.get():
            self.handle(event)
        if self.player.busy:  # building takes a moment: say so first
            self._draw()
        self.player.advance()
        self._draw()

    def handle(self, event: pygame.event.Event) -> None:
        """One event of pygame."""
        if event.type == pygame.QUIT:
            self.running = False
        elif event.type == pygame.KEYDOWN:
            self._press(event.key, bool(event.mod & pygame.KMOD_SHIFT))

    def close(self) -> None:
        """Closes worlds and window."""
        self.player.close()
        pygame.display.quit()

    def _press(self, code: int, shift: bool) -> None:
        key, digit = pressed_key(code, shift), pressed_digit(code)
        player = self.player
        if key is not None and key.label == "Esc":
            self.running = False
        elif key is not None and key.label == "F1":
            self.screen.help = not self.screen.help
        elif key is not None and key.label == "o":
            self.screen.overlays = not self.screen.overlays
        elif not player.views and player.busy:
            return
        elif key is not None and key.act is not None:
            self._attempt(key.act)
        elif digit is not None:
            self._attempt(lambda p: p.mark(digit) if shift else p.swap_to_mark(digit))

    def _attempt(self, act: Callable[[Player], None]) -> None:
        self.player.attempt(lambda: act(self.player))

    def _draw(self) -> None:
        self.screen.draw(self._surface)
        pygame.display.flip()


def run(player: Player) -> None:
    """Opens the window and returns when it is closed.

    Raises:
        PlaygroundError: there is no display.
    """
    try:
        app = App(player)
    except BaseException:
        player.close()
        raise
    print("Keys:\n" + listed(), flush=True)
    try:
        app.run()
    finally:
        app.close()


def _fitting_size() -> tuple[int, int]:
    """Most of the desktop's height, in the shape of a picture with a column of readouts beside it."""
    width, height = pygame.display.get_desktop_sizes()[0]
    height = max(360, round(height * SHARE))
    return min(round(height * 1.4), width), height


def _no_display(found: str) -> PlaygroundError:
    return PlaygroundError(
        f"no display for a window ({found}); watch in a browser with `playground web`, "
        "or film to a file with `playground record`"
    )
