"""Import rows: a module imports from lower rows only, and every foreign library has its one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "playground"

ROWS = {
    **dict.fromkeys(("__init__", "errors", "task", "episode", "prompt", "events", "assets"), 0),
    **dict.fromkeys(("domains", "tokens", "animation", "video", "session", "policies", "recorder"), 1),
    **dict.fromkeys(("model", "demonstrations"), 2),
    "agent": 3,
    **dict.fromkeys(("training", "facade", "filming", "viewing"), 4),
    **dict.fromkeys(("web", "window", "experiments", "bench", "doctor"), 5),
    "cli": 6,
    "__main__": 7,
}

# The words, the environment's interface and drawn text serve everybody of the same row.
SHARED = {"playground.domains.base", "playground.animation", "playground.video"} | {
    f"playground.{name}" for name, row in ROWS.items() if row in (0, 4)
}

HOMES = {
    **{library: {"domains"} for library in ("dm_control", "mujoco", "metaworld", "minigrid", "ale_py")},
    "minari": {"demonstrations"},
    "distributed": {"demonstrations"},
    **{library: {"web"} for library in ("gradio", "fastapi", "uvicorn", "starlette")},
    "pygame": {"window"},
    **{library: {"model", "agent", "training", "experiments", "bench"} for library in ("torch", "lightning")},
    "safetensors": {"domains", "model", "agent", "training", "experiments"},
    "typer": {"cli"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports anywhere, functions and `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(path.read_text())):
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
        shared = ROWS[there] == ROWS[here] and any(name == s or name.startswith(f"{s}.") for s in SHARED)
        assert allowed or shared, f"{path.name} (row {ROWS[here]}) imports {name} (row {ROWS[there]})"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_foreign_libraries_stay_in_their_place(path: Path):
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or part(path) in homes, f"{path.name} imports {name}; only {sorted(homes)} may"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_pickle(path: Path):
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in imports(path)}
