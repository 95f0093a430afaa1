"""What the commands set for their process before they import libraries that read it."""

import os
import sys
from io import TextIOWrapper


def prepare_streams() -> None:
    """Gives the process three standard streams that any text can be written to.

    A stream that the shell closed (`2>&-`) becomes the null device: else the next file that is opened, a film say,
    would have its number, and libraries would write their remarks into it. A character that the terminal's encoding
    lacks is shown as a question mark.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 (it stays open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def can_show(text: str) -> bool:
    """Whether standard output's encoding has all of these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def one_core_per_session() -> None:
    """Keeps the small products of one decision on one core, and the drawing of one picture too.

    That is quicker where other sessions want the other cores, and gives the same sums on every machine. A picture of
    320 pixels that is drawn without a graphics card is no sooner ready with two threads.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LP_NUM_THREADS", "1")  # of llvmpipe, Mesa's drawing without a graphics card
