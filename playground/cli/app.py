"""The command line: three groups of commands, and how errors end a command."""

import sys
from typing import Any, NoReturn

import typer

from playground.cli import make, measure, watch
from playground.cli.process import prepare_streams
from playground.errors import PlaygroundError

app = typer.Typer(
    name="playground",
    help="Watch what a generalist agent does when its goal prompt changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (watch, measure, make):
    app.add_typer(group.commands)


def main() -> NoReturn:
    """Runs the command line. An error of the package is one line on stderr and exit code 2."""
    prepare_streams()
    result: Any = 0
    try:
        result = app(standalone_mode=False)
    except PlaygroundError as error:
        _complain(str(error), 2)
    except KeyboardInterrupt:
        _complain("interrupted", 130)
    except typer.Abort:
        _complain("aborted", 1)
    except Exception as error:  # usage errors carry their own exit code and a hint; the rest is a bug and shows itself
        if not hasattr(error, "exit_code"):
            raise
        error.show() if hasattr(error, "show") else None
        sys.exit(error.exit_code)
    sys.exit(result if isinstance(result, int) else 0)


def _complain(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
