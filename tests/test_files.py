"""Files that users name: refused before the work, with the cause."""

import json
import os
from pathlib import Path

import pytest

from playground.errors import BadValueError
from playground.files import atomic_write, check_file_target, check_folder_target, write_json, write_json_lines


def test_what_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    wrong = {
        tmp_path: "it is a folder",
        Path("/dev/full"): "no ordinary file",
        tmp_path / "pipe": "no ordinary file",
        tmp_path / ("x" * 256): "File name too long",
        tmp_path / "link": "links to a file that is missing",
        tmp_path / "file" / "below": "write elsewhere",
    }
    for path, cause in wrong.items():
        with pytest.raises(BadValueError, match=cause):
            check_file_target(path)
    for good in (tmp_path / "file", tmp_path / "new", tmp_path / "a" / "b" / "new", tmp_path / ("x" * 252)):
        check_file_target(good)


def test_what_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    wrong = {
        tmp_path / "file": "it is a file",
        Path("/dev/null"): "it is a file",
        tmp_path / ("x" * 256): "File name too long",
        tmp_path / "link": "links to a folder that is missing",
        tmp_path / "file" / "below": "write elsewhere",
        tmp_path / "a\0b": "null",
    }
    for path, cause in wrong.items():
        with pytest.raises(BadValueError, match=cause):
            check_folder_target(path)
    for good in (tmp_path, tmp_path / "new", tmp_path / "a" / "b" / "new"):
        check_folder_target(good)


def test_long_names_are_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.json"
    write_json(path, {"a": 1})
    assert path.read_text(encoding="utf-8") == '{\n "a": 1\n}\n' and [*tmp_path.iterdir()] == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_write(path) as unfinished:
        unfinished.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old" and [*tmp_path.iterdir()] == [path]


def test_compact_json_has_a_line_for_each_entry_and_loses_nothing(tmp_path: Path) -> None:
    value = {"name": "x", "summary": {}, "records": {"a": [{"score": 0.1 + 0.2, "none": None}], "ü": [1, "[,]"]}}
    write_json_lines(tmp_path / "out" / "result.json", value)
    text = (tmp_path / "out" / "result.json").read_text(encoding="utf-8")
    assert json.loads(text) == value and text.count("\n") == 5
    assert '"a":[{"score":0.30000000000000004,"none":null}],\n' in text
