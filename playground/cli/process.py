"""What the commands set for their process before they import libraries that read it."""

import os


def one_core_per_session() -> None:
    """Keeps the small products of one decision on one core, and the drawing of one picture too.

    That is quicker where other sessions want the other cores, and gives the same sums on every machine. A picture of
    320 pixels that is drawn without a graphics card is no sooner ready with two threads.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LP_NUM_THREADS", "1")  # of llvmpipe, Mesa's drawing without a graphics card
