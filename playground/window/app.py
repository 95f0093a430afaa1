"""The window itself: pygame's events become the viewer's requests, and the screen is drawn, sixty times a second."""

import os
import sys
from collections.abc import Callable

import pygame

from playground.errors import PlaygroundError
from playground.window import commands
from playground.window.keys import HANDLERS, key_name, listed, pressed_action
from playground.window.screen import Screen
from playground.window.viewer import MAX_FPS, Viewer

SCREENLESS = ("offscreen", "dummy")
"""Drivers of SDL that show nothing, for tests that ask for them."""

DEAD_ZONE = 0.15
"""Deflection of a gamepad's stick that counts as none."""

SHARE = 0.8
"""Of the desktop's height that the window takes at first."""


class App:
    """A window with a viewer in it.

    Args:
        viewer: what runs; the app closes it.
        size: of the window in pixels; by the desktop's if left out.

    Raises:
        PlaygroundError: there is no display.
    """

    def __init__(self, viewer: Viewer, size: tuple[int, int] | None = None):
        os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
        if sys.platform.startswith("linux"):  # SDL's own OpenGL context would lock MuJoCo's out
            os.environ["SDL_FRAMEBUFFER_ACCELERATION"] = "0"
        try:
            pygame.display.init()
        except pygame.error as error:
            raise _no_display(str(error)) from error
        driver = pygame.display.get_driver()
        if driver == "wayland" or (driver in SCREENLESS and os.environ.get("SDL_VIDEODRIVER") != driver):
            pygame.display.quit()
            raise _no_display(f"SDL found only {driver!r}, which cannot be drawn on beside MuJoCo; XWayland would do")
        pygame.font.init()
        pygame.joystick.init()
        self.viewer, self.screen, self.running = viewer, Screen(viewer), True
        self._sticks: dict[int, pygame.joystick.JoystickType] = {}
        self._grip: tuple[int, int] | None = None  # where the mouse took hold
        self.window = pygame.Window("Playground", size or _fitting_size(), resizable=True, allow_high_dpi=True)

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
        if self.viewer.busy:  # building takes a moment: say so first
            self._draw()
        self.viewer.advance()
        self._draw()

    def handle(self, event: pygame.event.Event) -> None:
        """One event of pygame."""
        if event.type == pygame.QUIT:
            self.running = False
        elif event.type == pygame.KEYDOWN and self.screen.entry is not None:
            self._type(event.key, getattr(event, "unicode", ""))
        elif event.type == pygame.KEYDOWN:
            self._press(event.key, getattr(event, "unicode", ""), bool(event.mod & pygame.KMOD_SHIFT))
        elif event.type == pygame.JOYDEVICEADDED:
            stick = pygame.joystick.Joystick(event.device_index)
            self._sticks[stick.get_instance_id()] = stick
        elif event.type == pygame.JOYDEVICEREMOVED:
            self._sticks.pop(event.instance_id, None)
        elif self.viewer.views:
            self._attempt(lambda viewer: self._steer(viewer, event))

    def _steer(self, viewer: Viewer, event: pygame.event.Event) -> None:
        """What moves a controller, a body, or the demonstration that is shown."""
        controller = viewer.view.controller
        if event.type == pygame.KEYUP:
            controller.release(key_name(event.key))
        elif event.type == pygame.JOYAXISMOTION:
            value = 0.0 if abs(event.value) < DEAD_ZONE else event.value
            controller.stick(event.axis, -value if event.axis % 2 else value)  # sticks point down
        elif event.type == pygame.JOYHATMOTION:
            controller.stick(0, event.value[0])
            controller.stick(1, event.value[1])
        elif event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP):
            controller.button(event.button, event.type == pygame.JOYBUTTONDOWN)
        elif event.type == pygame.MOUSEWHEEL and viewer.view.driving:
            controller.nudge(2, event.y)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._grasp(viewer, self._pixel(event.pos))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 3 and viewer.view.driving:
            controller.button(0, True)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 3:
            controller.button(0, False)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._grip = None
            controller.drag(0.0, 0.0)
            viewer.view.env.release()
        elif event.type == pygame.MOUSEMOTION and self._grip is not None:
            self._pull(viewer, self._pixel(event.pos))

    def _grasp(self, viewer: Viewer, at: tuple[int, int]) -> None:
        """The left button goes down: on the demonstration's track, or in the live view."""
        if self.screen.track.collidepoint(at):
            viewer.view.held = self.screen.step_at(at)
        elif self.screen.inset.collidepoint(at):
            viewer.view.held = None
        elif self.screen.live and self.screen.live[0].collidepoint(at):
            self._grip = at
            if not viewer.view.driving:
                commands.grab(viewer, *self._inside(at))

    def _pull(self, viewer: Viewer, at: tuple[int, int]) -> None:
        assert self._grip is not None
        if viewer.view.driving:
            width = self.screen.live[0].width
            viewer.view.controller.drag((at[0] - self._grip[0]) / width, (self._grip[1] - at[1]) / width)
        else:
            viewer.view.env.drag(*self._inside(at))

    def _pixel(self, at: tuple[int, int]) -> tuple[int, int]:
        """The surface's pixel at a place of the window: where pixels are small, a window's unit holds several."""
        (wide, high), (width, height) = self.window.get_surface().get_size(), self.window.size
        return at[0] * wide // width, at[1] * high // height

    def _inside(self, at: tuple[int, int]) -> tuple[float, float]:
        """A place in the first live view, 0 to 1 from its top left."""
        live = self.screen.live[0]
        return (at[0] - live.left) / live.width, (at[1] - live.top) / live.height

    def _type(self, code: int, letter: str) -> None:
        """A key while a name is being typed."""
        name = self.screen.entry or ""
        if code in (pygame.K_RETURN, pygame.K_KP_ENTER):
            self.screen.entry = None
            self._attempt(lambda viewer: commands.rename(viewer, name))
        elif code == pygame.K_ESCAPE:
            self.screen.entry = None
        elif code == pygame.K_BACKSPACE:
            self.screen.entry = name[:-1]
        elif letter.isprintable():
            self.screen.entry = name + letter

    def close(self) -> None:
        """Closes worlds and window."""
        self.viewer.close()
        self.window.destroy()
        pygame.display.quit()

    def _press(self, code: int, letter: str, shift: bool) -> None:
        action, key, screen = pressed_action(code, letter), key_name(code), self.screen
        view = self.viewer.view if self.viewer.views else None
        if view is not None and view.driving and key in view.controller.keys:
            view.controller.press(key)
        elif action == "quit":
            self.running = False
        elif action == "help":
            screen.help = not screen.help
        elif action == "overlays":
            screen.overlays = not screen.overlays
        elif action == "rename":
            screen.entry = ""
        elif view is None and action not in ("previous_task", "next_task"):
            return  # there is no world yet
        elif action == "choose":
            choose = commands.mark if shift else commands.swap_to_mark
            self._attempt(lambda viewer: choose(viewer, int(key)))
        elif action in HANDLERS:
            self._attempt(HANDLERS[action])

    def _attempt(self, act: Callable[[Viewer], None]) -> None:
        self.viewer.attempt(lambda: act(self.viewer))

    def _draw(self) -> None:
        self.screen.draw(self.window.get_surface())
        self.window.flip()


def run(viewer: Viewer) -> None:
    """Opens the window and returns when it is closed.

    Raises:
        PlaygroundError: there is no display.
    """
    if sys.platform.startswith("linux"):
        os.environ.setdefault("MUJOCO_GL", "egl")  # beside another library's window, and in the render_worker's thread
    try:
        app = App(viewer)
    except BaseException:
        viewer.close()
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
