"""Whole files and folders, or what was there before."""

import json
from pathlib import Path

import pytest

from playground.files import atomic_write, write_json


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.txt"
    for text in ("first", "second"):
        with atomic_write(path) as unfinished:
            assert unfinished.name == path.name and not unfinished.exists()
            unfinished.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    for name in ("a", "b"):
        with atomic_write(path) as unfinished:
            unfinished.mkdir()
            (unfinished / name).touch()
    assert [file.name for file in path.iterdir()] == ["b"] and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "note.txt"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(error), atomic_write(path) as unfinished:
        unfinished.write_text("half", encoding="utf-8")
        raise error
    assert path.read_text(encoding="utf-8") == "before" and list(tmp_path.iterdir()) == [path]


def test_json_ends_with_a_line_break(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ü": [1, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text.endswith("\n") and json.loads(text) == {"ü": [1, None]}
