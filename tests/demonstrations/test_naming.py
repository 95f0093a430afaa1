"""Demonstrations by name: shipped ones, folders, people's recordings, and parts of them."""

import json
import sys

import numpy as np
import pytest

from playground.demonstrations import (
    find_demonstration,
    find_prompt,
    parse_prompt,
    recordings,
    rename_recording,
    save_recording,
    trim_recording,
)
from playground.demonstrations.files import save_episodes
from playground.errors import BadFileError, BadValueError, UnknownNameError
from tests.toy import toy_task


@pytest.fixture
def own(library, tmp_path, monkeypatch):
    """Recordings in a folder of the test's, the first of which is the library's third demonstration."""
    monkeypatch.setenv("PLAYGROUND_RECORDINGS", str(tmp_path / "recordings"))
    return save_recording(library[2], toy_task().make(64))


def test_a_recording_without_a_place_or_without_room_says_so(library, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("PLAYGROUND_RECORDINGS", str(tmp_path / "mine"))
    monkeypatch.setattr(sys.modules[save_recording.__module__], "save_episodes", full)
    with pytest.raises(BadValueError, match=r"No space left on device.*make room in"):
        save_recording(library[1], toy_task().make(64))
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", "/dev/null/none"):
        monkeypatch.setenv("PLAYGROUND_RECORDINGS", str(place))
        with pytest.raises(BadValueError, match="set PLAYGROUND_RECORDINGS to a folder"):
            save_recording(library[1], toy_task().make(64))


def test_prompt_by_number(library):
    second = find_prompt("toy/point#1")
    assert second is not None and second.name == "toy/point#1"
    assert (second.goal, second.seed, second.task) == (library[1].goal, library[1].seed, "toy/point")
    assert np.array_equal(second.segments[0].actions, library[1].actions)
    assert find_prompt("none") is None


def test_prompt_from_a_folder(library, tmp_path):
    env = toy_task().make(64)
    path = save_episodes(library[2:], tmp_path / "mine" / "try-v0", env.observation_space, env.action_space)
    found = find_prompt(str(path))
    assert found is not None and found.name == "try-v0" and found.goal == library[2].goal


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("toy/pont#0", UnknownNameError, "did you mean toy/point#0"),
        ("toy/point#3", BadValueError, "give #0 to #2"),
        ("toy/point#x", BadValueError, "write domain/task#0"),
        ("/nowhere/at-all", BadFileError, "no such folder"),
        ("toy/point#0[3:3]", BadValueError, "leaves nothing"),
        ("toy/point[x:]", BadValueError, "write domain/task#0"),
        (".", BadFileError, "no Minari dataset"),
    ],
)
def test_mistakes_in_names(library, name, error, says):
    with pytest.raises(error, match=says):
        find_prompt(name)


def test_a_part_of_a_demonstration(library):
    part = find_prompt("toy/point#1[2:5]")
    assert part is not None and part.name == "toy/point#1[2:5]" and len(part) == 3
    np.testing.assert_array_equal(part.segments[0].actions, library[1].actions[2:5])
    assert len(find_prompt("toy/point#1[2:]")) == len(library[1]) - 2
    assert find_prompt("toy/point[:4]").name == "toy/point#0[0:4]"


def test_parts_are_joined_and_edited(library):
    joined = find_prompt("toy/point#1[2:5]+toy/point~reversed")
    assert joined is not None and joined.name == "toy/point#1[2:5]+toy/point#0~reversed"
    assert [segment.name for segment in joined.segments] == ["toy/point#0", "toy/point#1"]
    np.testing.assert_array_equal(joined.segments[1].actions, library[1].actions[2:5][::-1])
    assert (joined.goal, joined.seed) == (library[0].goal, library[0].seed)


@pytest.mark.parametrize("folder", ["run#3-v0", "rec [2]", "left+right~twice", "toy#0"])
def test_a_path_that_exists_is_a_path(library, tmp_path, monkeypatch, folder):
    env = toy_task().make(64)
    save_episodes(library[1:], tmp_path / "two-v0", env.observation_space, env.action_space).rename(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    for text, source, steps in ((folder, library[1], slice(None)), (f"{folder}#1[1:3]", library[2], slice(1, 3))):
        found = find_prompt(text)
        assert found is not None and str(parse_prompt(text)) == text
        np.testing.assert_array_equal(found.segments[0].actions, source.actions[steps])
    assert len(find_prompt(f"{tmp_path / folder}#1[:2]+toy/point#0~shuffled")) == 2 + len(library[0])


def test_recordings_are_prompts_by_name_and_keep_their_cut(own, library):
    assert own.name == "my-point-1-v0" and recordings() == {"my-point-1": "toy/point"}
    assert len(find_prompt("my-point-1")) == len(library[2])
    trim_recording(own, 1, 4)
    found = find_demonstration("my-point-1")
    assert (found.start, found.stop, len(found.episode)) == (1, 4, len(library[2])) and found.recording == own
    assert len(find_prompt("my-point-1")) == 3 and len(find_prompt("my-point-1[0:2]")) == 2
    with pytest.raises(BadValueError, match="leaves nothing"):
        trim_recording(own, 4, 4)
    (own / "cut.json").write_text(json.dumps([5, "x"]), encoding="utf-8")
    with pytest.raises(BadFileError, match="delete it"):
        find_prompt("my-point-1")


def test_recordings_can_be_renamed_and_never_overwrite(own, library):
    second = save_recording(library[1], toy_task().make(64), 1, 3)
    assert second.name == "my-point-2-v0" and len(find_prompt("my-point-2")) == 2
    renamed = rename_recording(second, "left-turn")
    assert list(recordings()) == ["left-turn", "my-point-1"] and len(find_prompt("left-turn")) == 2
    for name in ("../evil", "", "my-point-1"):
        with pytest.raises(BadValueError):
            rename_recording(renamed, name)
