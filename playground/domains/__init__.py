"""The registry: every module here with a constant `TASKS` is a domain. Importing one imports no simulator.

`FAMILIES` beside it are those of its tasks whose goals are split into trained and held-out ones.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from playground.domains.goals import GoalFamily
from playground.environment import DomainEnv
from playground.errors import UnknownNameError
from playground.task import Task


def _modules() -> list[ModuleType]:
    return [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]


@lru_cache(maxsize=1)
def _registry() -> dict[str, Task]:
    return {task.id: task for module in _modules() for task in getattr(module, "TASKS", ())}


@lru_cache(maxsize=1)
def known_families() -> dict[str, GoalFamily]:
    """Task id -> goal family, of the tasks whose goals are split into trained and held-out ones (`FAMILIES`).

    Among them are target speeds whose expert is not shipped, which are no tasks then.
    """
    found = (family for module in _modules() for family in getattr(module, "FAMILIES", ()))
    return {family.task: family for family in found}


def families() -> dict[str, GoalFamily]:
    """The known families of which there is a task."""
    return {id: family for id, family in known_families().items() if id in _registry()}


def matching(names: Iterable[str], globs: str) -> list[str]:
    """The names that match a glob or one of several separated by commas, in their order."""
    patterns = [part.strip() for part in globs.split(",")]
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def tasks(pattern: str = "*") -> list[Task]:
    """Tasks whose id matches a glob or one of several separated by commas.

    Raises:
        UnknownNameError: a pattern matches nothing.
    """
    found: dict[str, Task] = {}
    for part in pattern.split(","):
        matches = {id: task for id, task in _registry().items() if fnmatchcase(id, part.strip())}
        if not matches:
            raise UnknownNameError("task", part.strip(), _registry())
        found |= matches
    return list(found.values())


def task(id: str) -> Task:
    """The task of that id.

    Raises:
        UnknownNameError: there is none; the nearest are suggested.
    """
    if id not in _registry():
        raise UnknownNameError("task", id, _registry())
    return _registry()[id]


def make(id: str, size: int = 320) -> DomainEnv:
    """Builds a task's environment; `render()` gives pictures about `size` pixels large."""
    return task(id).make(size)
