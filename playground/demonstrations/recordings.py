"""What people recorded: one folder per episode, a Minari dataset with a cut beside it, so that trimming loses nothing.

A recording always begins at the world's reset, and so can be played again; the cut says which part of it is meant when
it is used as a prompt.
"""

import json
import os
import re
from pathlib import Path

from playground.demonstrations.files import read_metadata, save_episodes
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import DAMAGED, BadFileError, BadValueError
from playground.files import check_folder_target, write_json

VERSION = "-v0"
_CUT = "cut.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


def recordings_root() -> Path:
    """Where recordings lie: the folder that the variable PLAYGROUND_RECORDINGS names, or the person's own."""
    if named := os.environ.get("PLAYGROUND_RECORDINGS"):
        return Path(named)
    from platformdirs import user_data_dir

    return Path(user_data_dir("prompt-playground")) / "recordings"


def new_recordings_root() -> Path:
    """The folder of recordings, made if it is missing.

    Raises:
        BadValueError: it cannot be written.
    """
    root = recordings_root()
    try:
        check_folder_target(root)
        root.mkdir(parents=True, exist_ok=True)
    except (BadValueError, OSError) as error:
        raise BadValueError(f"recordings have no place ({error}); set PLAYGROUND_RECORDINGS to a folder") from error
    return root


def save_recording(episode: Episode, env: DomainEnv, start: int = 0, stop: int | None = None) -> Path:
    """Writes an episode under the first free name, `my-TASK-N`.

    Args:
        episode: from the world's reset on.
        env: a world of the episode's task.
        start: first timestep of the cut.
        stop: timestep behind the last one of the cut; None keeps all.

    Returns:
        The recording's folder.

    Raises:
        BadValueError: it cannot be written; nothing is left of it.
    """
    base = "my-" + re.sub(r"[^A-Za-z0-9_]+", "-", episode.task.partition("/")[2])
    root, number = new_recordings_root(), 1
    while True:
        path = root / f"{base}-{number}{VERSION}"
        if not path.exists():
            try:
                save_episodes([episode], path, env.observation_space, env.action_space)
                break
            except FileExistsError:  # another program took the name meanwhile
                continue
            except OSError as error:
                raise BadValueError(
                    f"the recording cannot be written ({error.strerror or error}); make room in {root}"
                ) from error
        number += 1
    if start or stop is not None:
        trim_recording(path, start, len(episode) if stop is None else stop)
    return path


def recordings() -> dict[str, str]:
    """Name -> task id of the person's recordings; what is no recording is left out."""
    found: dict[str, str] = {}
    for path in sorted(recordings_root().glob(f"*{VERSION}")):
        try:
            found[path.name.removesuffix(VERSION)] = read_metadata(path)["task"]
        except BadFileError:
            continue
    return found


def recorded_cut(path: Path, length: int) -> tuple[int, int]:
    """The cut of a recording of that many timesteps.

    Raises:
        BadFileError: the file that says it is damaged.
    """
    file = path / _CUT
    if not file.exists():
        return 0, length
    try:
        start, stop = (int(n) for n in json.loads(file.read_text(encoding="utf-8")))
    except DAMAGED as error:
        raise BadFileError(f"{file}: not two whole numbers ({error}); delete it to use the whole recording") from error
    if not 0 <= start < stop <= length:
        raise BadFileError(f"{file}: cut [{start}, {stop}) of {length} timesteps; delete it to use the whole recording")
    return start, stop


def trim_recording(path: Path, start: int, stop: int) -> None:
    """Sets a recording's cut.

    Raises:
        BadValueError: nothing would be left.
    """
    length = read_metadata(path)["total_steps"]
    if not 0 <= start < stop <= length:
        raise BadValueError(f"cut [{start}, {stop}) of {length} timesteps leaves nothing; start earlier or end later")
    write_json(path / _CUT, [start, stop])


def rename_recording(path: Path, name: str) -> Path:
    """Gives a recording another name; returns its new folder.

    Raises:
        BadValueError: the name cannot be a folder's, or is taken.
    """
    if not _NAME.fullmatch(name):
        raise BadValueError(f"{name!r} is no name for a recording; use letters, digits, '-' and '_'")
    target = path.with_name(name.removesuffix(VERSION) + VERSION)
    try:
        if target.exists() and target != path:
            raise FileExistsError
        return path.rename(target)
    except OSError as error:
        if not target.exists():
            raise BadValueError(f"the recording {path.name!r} cannot be renamed ({error.strerror})") from error
        raise BadValueError(f"there is a recording {name!r} already; choose another name") from error
