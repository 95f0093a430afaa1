"""The errors of the package. Every message tells the cause, the value found and the cure."""

from collections.abc import Iterable
from difflib import get_close_matches

DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a value that another program wrote may raise, where it is not what was expected."""


class PlaygroundError(Exception):
    """Base of every error that a user can cause; the command line prints it as one line and exits with 2."""


class UnknownNameError(PlaygroundError):
    """A task, prompt, checkpoint or preset that does not exist.

    Args:
        kind: what was looked for, such as "task".
        name: what the user gave.
        known: the names that exist; the nearest are suggested.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        close = get_close_matches(name, known, n=3, cutoff=0.5) or [k for k in known if name and name in k][:3]
        if close:
            cure = f"did you mean {' or '.join(close)}?"
        elif known:
            cure = f"known are {', '.join(known[:6])}{' …' if len(known) > 6 else ''}"
        else:
            cure = "none is known"
        super().__init__(f"unknown {kind} {name!r}: {cure}")


class BadFileError(PlaygroundError):
    """A file from outside that is missing, truncated, of another version, or holds impossible values."""


class BadValueError(PlaygroundError):
    """A value out of its range or of the wrong shape."""


class BadDomainError(PlaygroundError):
    """A domain of another package that cannot be imported, holds no tasks, or names a task that exists."""


class MissingLibraryError(PlaygroundError):
    """A system or Python library that a domain needs is not installed."""
