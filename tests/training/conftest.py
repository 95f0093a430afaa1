"""Two toy tasks, packed and as data sets."""

from pathlib import Path

import pytest

from playground.demonstrations.packed import PackedTask
from playground.model import preset
from playground.training.dataset import TaskData
from tests.training.tiny import write_toys


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packed")
    write_toys(root)
    return root


@pytest.fixture(scope="module")
def data(root: Path) -> list[TaskData]:
    return [TaskData.from_packed(PackedTask.open(root, f"toy/{name}"), preset("tiny")) for name in ("point", "walk")]
