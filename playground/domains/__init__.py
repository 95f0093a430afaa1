"""The registry of tasks: every module of this folder with a constant `TASKS` is a domain.

Other packages add domains without touching this one: each names its module in the entry-point group
`playground.domains`. `FAMILIES` beside `TASKS` are the goal families: of those tasks whose goals are split into trained
and held-out ones. `TASKS_WITHOUT_EXPERT` can be made, yet not demonstrated. Importing a domain imports no simulator.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType

from playground.domains.goals import GoalFamily
from playground.environment import DomainEnv
from playground.errors import BadDomainError, UnknownNameError
from playground.task import Task

ENTRY_POINTS = "playground.domains"
"""Entry-point group in which other packages name modules with `TASKS`."""


@lru_cache(maxsize=1)
def _modules() -> tuple[ModuleType, ...]:
    """Modules of this folder, then those of other packages."""
    own = (import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__))
    return (*own, *_plugins())


def _plugins() -> Iterator[ModuleType]:
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        package = point.dist.name if point.dist else point.module
        cure = f"repair that package or remove it: pip uninstall {package}"
        try:
            module = point.load()
        except Exception as error:  # whatever a foreign module raises
            reason = f"{type(error).__name__}: {error}"
            raise BadDomainError(f"domain {point.value} of {package} cannot be imported ({reason}); {cure}") from error
        if not getattr(module, "TASKS", ()):
            raise BadDomainError(f"domain {point.value} of {package} has no tasks in a constant TASKS; {cure}")
        yield module


@lru_cache(maxsize=1)
def _registry() -> dict[str, Task]:
    found: dict[str, Task] = {}
    homes: dict[str, str] = {}
    for module in _modules():
        for task in getattr(module, "TASKS", ()):
            if task.id in found:
                raise BadDomainError(
                    f"task {task.id} is in {homes[task.id]} and again in {module.__name__}; give one another id"
                )
            found[task.id], homes[task.id] = task, module.__name__
    return found


@lru_cache(maxsize=1)
def _without_expert() -> dict[str, Task]:
    return {task.id: task for module in _modules() for task in getattr(module, "TASKS_WITHOUT_EXPERT", ())}


@lru_cache(maxsize=1)
def families() -> dict[str, GoalFamily]:
    """Task id -> goal family, of the tasks whose goals are split into trained and held-out ones."""
    found = (family for module in _modules() for family in getattr(module, "FAMILIES", ()))
    return {family.task: family for family in found if family.task in _registry()}


def tasks_without_expert() -> list[Task]:
    """Tasks that can be made, yet not demonstrated: their expert is still to be trained."""
    return list(_without_expert().values())


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
    """Builds a task's environment; `render()` gives pictures about `size` pixels large.

    Raises:
        UnknownNameError: there is no such task.
        BadValueError: there are no pictures of that size.
    """
    found = _without_expert().get(id) or task(id)
    env: DomainEnv = found.make(size)
    env.metadata = {**env.metadata, "render_fps": found.fps}
    return env
