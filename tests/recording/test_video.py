"""Video files: true speed, true pictures, and playable whatever stops them."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from threading import Timer
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from playground.errors import BadValueError, MissingLibraryError
from playground.policies import RandomPolicy
from playground.recording.film import film
from playground.recording.video import VideoWriter, check_target, ffmpeg_version
from playground.session import Session
from tests.loop_toy import LINE, LineEnv

SUFFIXES = (".mp4", ".gif", ".webp")


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_have_the_speed_of_the_world(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    with VideoWriter(path, fps=80 / 3) as video:
        for n in range(40):
            video.append(np.full((16, 16, 3), n * 6, np.uint8))
    seconds = 0
    film_: Any
    with Image.open(path) as film_:
        assert film_.n_frames == 40
        for n in range(film_.n_frames):
            film_.seek(n)
            film_.load()
            seconds += film_.info["duration"] / 1e3
    assert seconds == pytest.approx(40 / (80 / 3), abs=0.011)


def test_odd_pictures_fit_into_mp4(tmp_path):
    with VideoWriter(tmp_path / "odd.mp4", 10) as video:
        for _ in range(3):
            video.append(np.zeros((211, 161, 3), np.uint8))
    assert iio.imread(tmp_path / "odd.mp4").shape[1:] == (210, 160, 3)


def frames(path) -> list[np.ndarray]:
    """Every picture of a file, decoded; a damaged one raises."""
    if path.suffix == ".mp4":
        return list(iio.imread(path))
    film_: Any
    with Image.open(path) as film_:
        pictures = []
        for n in range(film_.n_frames):
            film_.seek(n)
            pictures.append(np.asarray(film_.convert("RGB")))
        return pictures


def scene(n: int) -> np.ndarray:
    """A dot that moves over a coloured ground, uint8 [48, 64, 3]."""
    y, x = np.mgrid[:48, :64]
    picture = np.stack([x * 4, y * 5, np.full_like(x, 90)], axis=2).astype(np.uint8)
    picture[10 + n % 30 : 16 + n % 30, 2 * n % 56 : 2 * n % 56 + 6] = (250, 250, 20)
    return picture


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_read_is_what_was_written(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    still = [scene(3)] * 3  # nothing changes in these
    pictures = [*map(scene, range(20)), *still]
    with VideoWriter(path, fps=12.5) as video:
        for picture in pictures:
            video.append(picture)
    read = frames(path)
    assert len(read) == video.count == 23 and read[0].shape == (48, 64, 3)
    for written, found in zip(pictures, read, strict=True):
        assert np.abs(written.astype(int) - found).mean() < 6


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_size_is_fitted_in(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    with VideoWriter(path, fps=10) as video:
        for size in ((40, 60), (41, 61), (80, 20)):
            video.append(np.full((*size, 3), 120, np.uint8))
    assert [picture.shape for picture in frames(path)] == [(40, 60, 3)] * 3


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_growing_file_is_whole_after_every_picture(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    with VideoWriter(path, fps=10) as video:
        for n in range(6):
            video.append(scene(n))
            assert len(frames(path)) == n + 1


def test_nothing_is_left_of_a_video_without_pictures(tmp_path):
    for suffix in SUFFIXES:
        VideoWriter(tmp_path / f"run{suffix}", 10).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_what_was_filmed_before(tmp_path, suffix):
    """A limit on the size of files stands for the disk; ffmpeg inherits it."""
    path = tmp_path / f"run{suffix}"
    code = f"""
import numpy as np, resource
from pathlib import Path
from playground.errors import BadValueError, MissingLibraryError
from playground.recording.video import VideoWriter, check_target, ffmpeg_version
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
rng = np.random.default_rng(0)
with VideoWriter(Path({str(path)!r}), 10) as video:
    while video.count < 2000:
        video.append(rng.integers(0, 255, (96, 128, 3), np.uint8))
"""
    stopped = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, encoding="utf-8"
    )
    assert "BadFileError" in stopped.stderr and "make room on the disk" in stopped.stderr, stopped.stderr
    assert path.stat().st_size <= 400_000
    assert len(frames(path)) >= 5


@pytest.mark.slow
def test_a_hundred_interrupts_at_random_moments_leave_playable_files(tmp_path):
    rng = np.random.default_rng(int(time.time()))
    for n in range(100):
        path = tmp_path / f"run{n}{SUFFIXES[n % 3]}"
        env = LineEnv(max_steps=100_000)
        running = Session(env, RandomPolicy(env.action_space, n), seed=n, task=LINE)
        timer = Timer(rng.uniform(0.0, 0.2), os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            film([running], path)
            pytest.fail("the film ended before it was interrupted")
        timer.join()
        if path.exists():  # else the interrupt came before the film
            sidecar = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            assert sidecar["interrupted"] and len(frames(path)) == sidecar["frames"] > 0
    assert len(list(tmp_path.glob("*.json"))) > 80


def test_a_second_interrupt_is_obeyed_at_once(tmp_path):
    """Where a step hangs; the file is playable all the same."""
    calls, before = [], signal.getsignal(signal.SIGINT)

    def hang(event):
        calls.append(event.t)
        if event.t == 9:
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)

    env = LineEnv(max_steps=100)
    running = Session(env, RandomPolicy(env.action_space), task=LINE, consumers=[hang])
    with pytest.raises(KeyboardInterrupt):
        film([running], tmp_path / "run.gif")
    assert calls[-1] == 9 and len(frames(tmp_path / "run.gif")) == 5
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def full_at(tmp_path):
    """A folder that is full at 192 kB, and what has to be called in the process that fills it.

    A small file system of its own where it may be mounted; a limit on the size of files stands for it elsewhere.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192k", "none", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield disk, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (128_000, 128_000))
        return
    yield disk, None
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_a_whole_sidecar(full_at, suffix):
    disk, limit = full_at
    code = (
        "import sys, numpy as np; from playground.policies import RandomPolicy;"
        "from playground.recording.film import film; from playground.session import Session;"
        "from tests.loop_toy import LINE, LineEnv;"
        "noise = np.random.default_rng(0);"
        "LineEnv.render = lambda self: noise.integers(0, 255, (160, 160, 3), np.uint8);"
        "env = LineEnv(); film([Session(env, RandomPolicy(env.action_space), task=LINE)], sys.argv[1], episodes=99)"
    )
    command = [sys.executable, "-c", code, str(disk / f"film{suffix}")]
    stopped = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", preexec_fn=limit)
    assert stopped.stderr.strip().splitlines()[-1].startswith("playground.errors.BadFileError"), stopped.stderr
    told = json.loads((disk / "film.json").read_text(encoding="utf-8"))
    assert told["interrupted"] and told["frames"] >= 1 and len(frames(disk / f"film{suffix}")) >= 1


def test_a_film_never_replaces_another_json(tmp_path):
    (tmp_path / "keep.json").write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(BadValueError, match=r"keep\.json.*not of a film"):
        check_target(tmp_path / "keep.gif")


def test_a_wrong_ffmpeg_is_named(tmp_path, monkeypatch):
    for program in ("/bin/true", "/nonexistent/ffmpeg", str(tmp_path)):
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", program)
        ffmpeg_version.cache_clear()
        with pytest.raises(MissingLibraryError, match=r"ffmpeg.*unset IMAGEIO_FFMPEG_EXE"):
            check_target(tmp_path / "run.mp4")
        check_target(tmp_path / "run.gif")
    ffmpeg_version.cache_clear()
