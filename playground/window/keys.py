"""What the keys of `playground.viewing.keymap` do to the viewer, and which of pygame's codes they are."""

from collections.abc import Callable

import pygame

from playground.viewing.keymap import WINDOW, actions, bindings
from playground.window import commands
from playground.window.viewer import Viewer

ACTIONS = actions(WINDOW)
"""Key -> action."""

NAMES = {
    pygame.K_LEFT: "ArrowLeft",
    pygame.K_RIGHT: "ArrowRight",
    pygame.K_UP: "ArrowUp",
    pygame.K_DOWN: "ArrowDown",
    pygame.K_BACKSPACE: "Backspace",
    pygame.K_ESCAPE: "Escape",
    pygame.K_F1: "F1",
    pygame.K_F2: "F2",
    pygame.K_KP_PLUS: "+",
    pygame.K_KP_MINUS: "-",
    pygame.K_KP0: "0",
    **{pygame.K_KP1 + n: str(n + 1) for n in range(9)},
}
"""Code -> name as browsers give it, of keys whose code is not their letter's."""

HANDLERS: dict[str, Callable[[Viewer], None]] = {
    "play": commands.toggle_pause,
    "step": commands.step_once,
    "reset": Viewer.reset,
    "new": lambda viewer: viewer.reset(new=True),
    "rewind": commands.rewind,
    "slower": lambda viewer: commands.change_speed(viewer, -1),
    "faster": lambda viewer: commands.change_speed(viewer, 1),
    "noprompt": lambda viewer: commands.swap_to_mark(viewer, 0),
    "previous_prompt": lambda viewer: commands.change_prompt(viewer, -1),
    "next_prompt": lambda viewer: commands.change_prompt(viewer, 1),
    "compare": Viewer.compare,
    "take": commands.prompt_with_own,
    "shuffle": lambda viewer: commands.edit(viewer, "shuffled"),
    "reverse": lambda viewer: commands.edit(viewer, "reversed"),
    "join": commands.join,
    "trim_start": lambda viewer: commands.trim(viewer, end=False),
    "trim_end": lambda viewer: commands.trim(viewer, end=True),
    "previous_task": lambda viewer: viewer.change_task(-1),
    "next_task": lambda viewer: viewer.change_task(1),
    "drive": commands.toggle_drive,
    "push": commands.push,
    "blind": commands.toggle_blindfold,
    "camera": commands.change_camera,
    "record": Viewer.record,
}
"""Action -> what it does to the viewer. The app itself does the others."""


def key_name(code: int) -> str:
    """The name of the key with that code; empty if it has none here."""
    return NAMES.get(code) or (chr(code) if 32 <= code < 127 else "")


def pressed_action(code: int, letter: str = "") -> str | None:
    """The action that a key asks for: of the letter it writes, which shift and layout decide, or of the key itself."""
    return ACTIONS.get(letter) or ACTIONS.get(key_name(code))


def listed() -> str:
    """The keys as lines of text."""
    return "\n".join(f"  {binding.label:7} {binding.help}" for binding in bindings(WINDOW))
