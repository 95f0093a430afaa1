"""Down- and uploads of episodes, as zipped Minari datasets."""

import tempfile
from pathlib import Path

from playground import domains
from playground.demonstrations import load_episodes, save_episodes
from playground.demonstrations.archives import pack_dataset, unpack_dataset
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadFileError

MAX_UPLOAD = 8_000_000
"""Most bytes of an uploaded file."""


def zipped(episode: Episode, env: DomainEnv) -> bytes:
    """An episode as a zipped Minari dataset, `<domain>-<task>-v0/data/…`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "playground" / f"{episode.task.replace('/', '-')}-v0"
        save_episodes([episode], path, env.observation_space, env.action_space)
        return pack_dataset(path)


def unzipped(content: bytes) -> list[Episode]:
    """The episodes of a zipped dataset from outside.

    Raises:
        BadFileError: it is too large, no zip file, holds anything but a dataset, or is of a task that does not exist.
    """
    if len(content) > MAX_UPLOAD:
        raise BadFileError(f"the file has more than {MAX_UPLOAD // 10**6} MB; upload a shorter episode")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "upload-v0"
        unpack_dataset(content, root)
        try:
            episodes = load_episodes(root)
        except BadFileError as error:
            raise BadFileError(str(error).replace(f"{folder}/", "")) from error
    for episode in episodes:
        domains.task(episode.task)
    return episodes
