"""Import rows: a module imports from lower rows only, and every foreign library has its one place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "playground"

ROWS = {
    **dict.fromkeys(("errors", "assets"), 0),
    **dict.fromkeys(("task", "files", "scores", "settings"), 1),
    "episode": 2,
    "prompt": 3,
    "prompt_spec": 4,
    "events": 4,
    "environment": 5,
    **dict.fromkeys(("domains", "tokens", "rollout"), 6),
    **dict.fromkeys(("model", "demonstrations", "policies", "parallel", "session"), 7),
    **dict.fromkeys(("agent", "recording"), 8),
    "api": 9,
    **dict.fromkeys(("__init__", "collecting", "rl", "viewing"), 10),
    "evaluation": 11,
    "training": 12,
    **dict.fromkeys(("web", "window", "experiments", "bench", "doctor"), 13),
    "cli": 14,
    "__main__": 15,
}

HOMES = {
    **{library: {"domains"} for library in ("dm_control", "mujoco", "metaworld", "minigrid", "ale_py")},
    "minari": {"demonstrations"},
    "distributed": {"parallel"},
    "pydantic": {"settings"},
    **{library: {"web"} for library in ("gradio", "fastapi", "uvicorn", "starlette")},
    "pygame": {"window"},
    "playwright": {"bench"},
    **{
        library: {"model", "agent", "collecting", "training", "evaluation", "rl", "experiments", "bench"}
        for library in ("torch", "lightning")
    },
    "safetensors": {"domains", "model", "agent", "training", "rl", "experiments"},
    "typer": {"cli"},
}

TWICE = 10
"""Equal lines that may stand in two places one after the other."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports anywhere, functions and `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    """The package's direct child that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path):
    here = part(path)
    assert here in ROWS, f"{here} has no row: give it one in ROWS and in the architecture"
    for name in imports(path):
        pieces = name.split(".")
        if pieces[0] != "playground" or len(pieces) < 2:
            continue
        there = pieces[1] if pieces[1] in ROWS else "__init__"
        allowed = there == here or ROWS[there] < ROWS[here]
        assert allowed, f"{path.name} (row {ROWS[here]}) imports {name} (row {ROWS[there]})"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_foreign_libraries_stay_in_their_place(path: Path):
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or part(path) in homes, f"{path.name} imports {name}; only {sorted(homes)} may"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_pickle(path: Path):
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_environments_are_stepped_in_one_loop(path: Path):
    """Only `EnvRunner` takes apart what `env.step()` gives, besides environments that wrap others, and benchmarks."""
    if part(path) in ("rollout", "domains", "bench"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
            function, target = node.value.func, node.targets[0]
            steps = isinstance(function, ast.Attribute) and function.attr == "step"
            assert not (steps and isinstance(target, ast.Tuple) and len(target.elts) == 5), f"{path}:{node.lineno}"


def test_nothing_is_written_twice():
    """No run of more than ten equal lines, blank ones left out, stands in two places."""
    places: dict[tuple[str, ...], list[str]] = {}
    for path in MODULES:
        numbered = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        lines = [(number, line.strip()) for number, line in numbered if line.strip()]
        for start in range(len(lines) - TWICE):
            run = lines[start : start + TWICE + 1]
            places.setdefault(tuple(line for _, line in run), []).append(f"{path.relative_to(PACKAGE)}:{run[0][0]}")
    assert [found for found in places.values() if len(found) > 1] == []


def texts_without_encoding(path: Path) -> Iterator[str]:
    """Where a module opens text, or talks to a process in text, in whatever encoding the machine has."""
    modes = re.compile("[rwxa]b?t?[+]?b?t?")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        named = {word.arg for word in node.keywords}
        flags = {
            word.arg for word in node.keywords if isinstance(word.value, ast.Constant) and word.value.value is True
        }
        values = [word.value for word in node.keywords if word.arg == "mode"] + node.args
        constants = [value.value for value in values if isinstance(value, ast.Constant)]
        mode = next((text for text in constants if isinstance(text, str) and modes.fullmatch(text)), None)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        opens = name in ("read_text", "write_text") or bool({"text", "universal_newlines"} & flags)
        if name in ("open", "fdopen"):
            own = isinstance(node.func, ast.Name) or not node.args or mode is not None  # `Shard.open(folder, task)`
            opens = own and "b" not in (mode or "")
        elif name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
            opens = "b" not in (mode or "wb")
        elif name == "TextIOWrapper":
            opens = True
        if opens and "encoding" not in named:
            yield f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("folder", ("playground", "tests", "demos"))
def test_text_names_its_encoding(folder: str):
    """Windows, and a container without a locale, read and write anything but UTF-8 by themselves."""
    found = [
        place for path in sorted((PACKAGE.parent / folder).rglob("*.py")) for place in texts_without_encoding(path)
    ]
    assert found == [], 'name encoding="utf-8"'
