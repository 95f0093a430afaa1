"""`playground` in a process that tells what is alive in it: `python -m tests.web.census FILE web …`, then SIGUSR1."""

import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def census() -> dict[str, int]:
    """How many sessions, worlds and OpenGL contexts there are, garbage left out."""
    from mujoco.egl import GLContext

    from playground.environment import DomainEnv
    from playground.session import Session

    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    counted = {"sessions": Session, "worlds": DomainEnv, "contexts": GLContext}
    return {name: sum(issubclass(kind, one) for kind in kinds) for name, one in counted.items()}


def main() -> None:
    file = Path(sys.argv.pop(1))

    def tell(*_: Any) -> None:
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(census()))
        os.replace(draft, file)

    signal.signal(signal.SIGUSR1, tell)
    from playground.cli import app

    app()


if __name__ == "__main__":
    main()
