"""Files that people send each other: what goes out comes back the same; what is none is refused."""

import zipfile
from io import BytesIO

import numpy as np
import pytest

from playground import domains
from playground.demonstrations import shipped
from playground.errors import BadFileError
from playground.web.transfers import MAX_UPLOAD, unzipped, zipped
from tests.conftest import TASK


def archive(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_an_episode_survives_the_way(demonstrations):
    episode = shipped(TASK)[0]
    (back,) = unzipped(zipped(episode, domains.make(TASK)))
    assert back.task == TASK and back.seed == episode.seed and back.goal == episode.goal
    assert np.array_equal(back.actions, episode.actions)
    assert all(np.array_equal(back.observations[key], episode.observations[key]) for key in episode.observations)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"x" * (MAX_UPLOAD + 1), "more than"),
        (b"PK nothing", "no whole zip file"),
        (archive({"../../evil.json": b"{}"}), "not part of a dataset"),
        (archive({"data/run.py": b"import os"}), "not part of a dataset"),
        (archive({"data/0/part-0.parquet": bytes(70_000_000)}), "unpacks to more than"),
        (archive({"a-v0/data/metadata.json": b"{}"}), "does not name its task"),
    ],
    ids=["large", "no zip", "outside", "code", "bomb", "no dataset"],
)
def test_what_is_no_dataset_is_refused(content, cause):
    with pytest.raises(BadFileError, match=cause):
        unzipped(content)
