"""What is alive in a server: counted in its own process, whenever it gets SIGUSR1."""

import gc
import json
import signal
from pathlib import Path
from typing import Any

from playground.environment import DomainEnv
from playground.files import write_json
from playground.session import Session


def census() -> dict[str, int]:
    """Counts sessions, environments and OpenGL contexts, after garbage was collected."""
    gc.collect()
    kinds = [type(thing) for thing in gc.get_objects()]
    return {
        "sessions": sum(issubclass(kind, Session) for kind in kinds),
        "environments": sum(issubclass(kind, DomainEnv) for kind in kinds),
        "contexts": sum(kind.__name__ == "GLContext" for kind in kinds),
    }


def tell_on_signal(file: Path) -> None:
    """Writes the census to a file whenever the process gets SIGUSR1."""

    def tell(*_: Any) -> None:
        write_json(file, census())

    signal.signal(signal.SIGUSR1, tell)


def counted_command(file: Path) -> tuple[str, str]:
    """Arguments of Python for the command line in a process that tells what is alive in it."""
    code = (
        "from pathlib import Path; from playground.bench.census import tell_on_signal; "
        f"from playground.cli import main; tell_on_signal(Path({json.dumps(str(file))})); main()"
    )
    return "-c", code
