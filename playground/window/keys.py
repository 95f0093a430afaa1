"""The keys of the window, in the order in which they are listed on F1 and printed at start."""

from collections.abc import Callable
from dataclasses import dataclass

import pygame

from playground.window.viewer import Viewer


@dataclass(frozen=True)
class Key:
    """One key, or several that do the same.

    Attributes:
        label: what is printed on it.
        help: what it does.
        codes: pygame's codes.
        act: what it does to the viewer; None where the app itself acts.
    """

    label: str
    help: str
    codes: tuple[int, ...]
    act: Callable[[Viewer], None] | None = None


KEYS = (
    Key("space", "pause, go on", (pygame.K_SPACE,), Viewer.toggle_pause),
    Key(".", "one step", (pygame.K_PERIOD,), Viewer.step_once),
    Key("r", "same start again", (pygame.K_r,), Viewer.reset),
    Key("R", "another start", (), lambda p: p.reset(new=True)),
    Key("up", "previous task", (pygame.K_UP,), lambda p: p.change_task(-1)),
    Key("down", "next task", (pygame.K_DOWN,), lambda p: p.change_task(1)),
    Key("left", "previous prompt", (pygame.K_LEFT,), lambda p: p.change_prompt(-1)),
    Key("right", "next prompt", (pygame.K_RIGHT,), lambda p: p.change_prompt(1)),
    Key("1 … 9", "marked prompt; with shift: mark it", ()),
    Key("0", "no prompt", ()),
    Key("s", "shuffle the prompt's time, or undo", (pygame.K_s,), Viewer.shuffle),
    Key("p", "your latest recording becomes the prompt", (pygame.K_p,), Viewer.prompt_with_own),
    Key("x", "compare with the prompt before, or stop", (pygame.K_x,), Viewer.compare),
    Key("h", "take over, give back", (pygame.K_h,), Viewer.take_over),
    Key("v", "record a video and the episode, or stop", (pygame.K_v,), Viewer.record),
    Key("b", "ten seconds back", (pygame.K_b,), Viewer.rewind),
    Key("c", "next camera", (pygame.K_c,), Viewer.change_camera),
    Key("[", "the prompt begins at the moment shown", (pygame.K_LEFTBRACKET,), Viewer.trim_start),
    Key("]", "the prompt ends at the moment shown", (pygame.K_RIGHTBRACKET,), Viewer.trim_end),
    Key("F2", "name the prompt's recording", (pygame.K_F2,)),
    Key("+", "faster", (pygame.K_PLUS, pygame.K_KP_PLUS, pygame.K_EQUALS), lambda p: p.change_speed(1)),
    Key("-", "slower", (pygame.K_MINUS, pygame.K_KP_MINUS), lambda p: p.change_speed(-1)),
    Key("o", "hide or show the readouts", (pygame.K_o,)),
    Key("F1", "this list", (pygame.K_F1,)),
    Key("mouse", "pull at a body, or steer; hold the demonstration", ()),
    Key("gamepad", "steer while you drive", ()),
    Key("Esc", "quit", (pygame.K_ESCAPE,)),
)


def find_key(label: str) -> Key:
    return next(key for key in KEYS if key.label == label)


def pressed_key(code: int, shift: bool) -> Key | None:
    """The key of the table that was pressed."""
    if code == pygame.K_r and shift:
        return find_key("R")
    return next((key for key in KEYS if code in key.codes), None)


def pressed_digit(code: int) -> int | None:
    """0 to 9, of the row or the pad."""
    pad = (pygame.K_KP0, *range(pygame.K_KP1, pygame.K_KP9 + 1))
    return next((digits.index(code) for digits in (range(pygame.K_0, pygame.K_9 + 1), pad) if code in digits), None)


def listed() -> str:
    """The keys as lines of text."""
    return "\n".join(f"  {key.label:7} {key.help}" for key in KEYS)
