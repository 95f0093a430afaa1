"""Playground: watch what a generalist agent does when its goal prompt changes.

The names of `__all__` are imported when they are first used: `import playground` alone imports nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.api import find_prompt, load_model, make_policy, open_session
    from playground.domains import tasks

__version__ = "0.1.0"

__all__ = ["find_prompt", "load_model", "make_policy", "open_session", "tasks"]

_HOMES = {"tasks": "playground.domains"}
"""Modules of the names that are not in `playground.api`."""


def __getattr__(name: str) -> Any:
    """Imports a name of `__all__` from its module."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "playground.api")), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    """Lists what is defined and what can be imported."""
    return sorted({*globals(), *__all__})
