"""The one table of keys. The page and the window obey it, and both make their help from it.

Keys have the names that browsers give them (`KeyboardEvent.key`). No key means two things and no action has two names,
on either screen. The keys that steer a body (`playground.viewing.controllers`) appear here only as arrows, which choose
tasks and prompts in the window while nobody steers.
"""

from dataclasses import asdict, dataclass
from typing import Any

PAGE, WINDOW = "page", "window"
BOTH = (PAGE, WINDOW)

DIGITS = "123456789"
"""Keys of the numbered prompts."""

LABELS = {
    " ": "space",
    "ArrowLeft": "←",
    "ArrowRight": "→",
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "Backspace": "⌫",
    "Escape": "Esc",
}
"""What is printed for keys that are not their own label."""


@dataclass(frozen=True)
class Binding:
    """One action and its keys.

    Attributes:
        action: name by which a screen looks up what to do.
        keys: the keys that ask for it; the first is shown. Without keys, the row only explains something.
        help: what it does, for a person.
        group: heading under which the help lists it.
        screens: where it exists.
        label: what the help prints, where that is not the first key.
    """

    action: str
    keys: tuple[str, ...]
    help: str
    group: str
    screens: tuple[str, ...] = BOTH
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", key_label(self.keys[0]))


def key_label(key: str) -> str:
    """What a person reads on a key."""
    return LABELS.get(key, key)


KEYMAP = (
    Binding("play", (" ",), "pause or go on", "Time"),
    Binding("step", (".",), "one step, then pause", "Time"),
    Binding("reset", ("r",), "the same start again", "Time"),
    Binding("new", ("n",), "another start", "Time"),
    Binding("rewind", ("Backspace",), "ten seconds back", "Time"),
    Binding("slower", ("-",), "slower", "Time"),
    Binding("faster", ("+", "="), "faster", "Time"),
    Binding("choose", tuple(DIGITS), "the prompt of that number", "Prompt", label="1 … 9"),
    Binding("mark", (), "with shift: give the prompt that number", "Prompt", (WINDOW,), "1 … 9"),
    Binding("noprompt", ("0",), "no prompt", "Prompt"),
    Binding("previous_prompt", ("ArrowLeft",), "previous prompt", "Prompt", (WINDOW,)),
    Binding("next_prompt", ("ArrowRight",), "next prompt", "Prompt", (WINDOW,)),
    Binding("compare", ("c",), "compare two prompts from one start, or stop", "Prompt"),
    Binding("take", ("t",), "your recording becomes the prompt", "Prompt"),
    Binding("shuffle", ("s",), "shuffle the prompt's timesteps, or undo", "Prompt"),
    Binding("reverse", ("<",), "play the prompt backwards, or undo", "Prompt"),
    Binding("join", ("&",), "append the prompt that is chosen next", "Prompt"),
    Binding("trim_start", ("[",), "the prompt begins at the moment shown", "Prompt", (WINDOW,)),
    Binding("trim_end", ("]",), "the prompt ends at the moment shown", "Prompt", (WINDOW,)),
    Binding("ghost", ("g",), "lay the demonstration over the live view", "Prompt", (PAGE,)),
    Binding("previous_task", ("ArrowUp",), "previous task", "World", (WINDOW,)),
    Binding("next_task", ("ArrowDown",), "next task", "World", (WINDOW,)),
    Binding("drive", ("d",), "drive yourself, or let the agent drive", "World"),
    Binding("push", ("p",), "push the body", "World"),
    Binding("blind", ("b",), "blindfold the agent", "World"),
    Binding("camera", ("m",), "next camera", "World"),
    Binding("record", ("v",), "record a video, or stop", "Keep"),
    Binding("share", ("l",), "copy a link", "Keep", (PAGE,)),
    Binding("rename", ("F2",), "name the prompt's recording", "Keep", (WINDOW,)),
    Binding("overlays", ("o",), "hide or show the readouts", "Screen", (WINDOW,)),
    Binding("help", ("?", "F1"), "these keys", "Screen", label="? F1"),
    Binding("mouse", (), "pull at a body, steer, hold the prompt", "Screen", (WINDOW,), "mouse"),
    Binding("gamepad", (), "steer while you drive", "Screen", (WINDOW,), "gamepad"),
    Binding("quit", ("Escape",), "quit", "Screen", (WINDOW,)),
)


def bindings(screen: str) -> tuple[Binding, ...]:
    """The rows of one screen, in the order of the help."""
    return tuple(binding for binding in KEYMAP if screen in binding.screens)


def actions(screen: str) -> dict[str, str]:
    """Key -> action on one screen."""
    return {key: binding.action for binding in bindings(screen) for key in binding.keys}


def to_json(screen: str) -> dict[str, Any]:
    """The rows of one screen and the labels of keys, in JSON's terms."""
    return {"bindings": [asdict(binding) for binding in bindings(screen)], "labels": LABELS}
