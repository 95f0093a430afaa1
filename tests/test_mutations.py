"""Whatever is damaged, the program says so in its own words: no raw error, no crash, no endless wait.

In CI each door is tried for a few seconds. By hand, for an hour: `PLAYGROUND_MUTATIONS=100000 python -m pytest
tests/test_mutations.py -s`; the seed that is printed repeats a run when given as `PLAYGROUND_MUTATION_SEED`.
"""

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from playground.demonstrations import find_prompt, load_episodes, save_episodes
from playground.demonstrations.recordings import recorded_cut
from playground.domains import make, task
from playground.episode import Episode
from playground.errors import PlaygroundError
from playground.evaluation import evaluate
from playground.experiments import running
from playground.model import GeneralistModel, from_pretrained, preset, read_config, save_pretrained
from playground.policies import ExpertPolicy
from playground.recording.recorder import EpisodeRecorder
from playground.session import Session
from playground.viewing.clips import RenderWorker
from playground.web.demonstration_store import DemonstrationStore
from playground.web.outbox import Outbox
from playground.web.stage import Stage
from playground.web.transfers import unzipped, zipped
from tests.mutations import mutated_bytes, mutated_copy, mutated_json

pytestmark = pytest.mark.slow

SECONDS = 4.0
"""Of each door, where no number of inputs is asked for."""

SLOW_SECONDS = 10.0
"""No single input may take longer."""

SEED = int(os.environ.get("PLAYGROUND_MUTATION_SEED", time.time_ns() % 2**32))


def knock(door: Callable[[np.random.Generator], object]) -> None:
    """Tries a door with inputs that a generator makes; only errors of the package may come back."""
    asked = int(os.environ.get("PLAYGROUND_MUTATIONS", "0"))
    end, number, refused = time.monotonic() + SECONDS, 0, 0
    while number < asked or (not asked and time.monotonic() < end):
        began = time.monotonic()
        try:
            door(np.random.default_rng([SEED, number]))
        except PlaygroundError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"input {number} of seed {SEED}: raw {type(error).__name__}: {error}") from error
        assert time.monotonic() - began < SLOW_SECONDS, f"input {number} of seed {SEED} took too long"
        number += 1
    print(f"seed {SEED}: {number} inputs, {refused} refused")
    assert number and refused


@pytest.fixture(scope="module")
def episode() -> Episode:
    found = task("classic/CartPole")
    recorder = EpisodeRecorder(found.id)
    env = found.make(64)
    with Session(env, ExpertPolicy(found, env), task=found, consumers=[recorder]) as session:
        for _ in range(12):
            session.step()
    recorder.finish()
    return recorder.episodes[0]


def test_recordings(tmp_path: Path, episode: Episode) -> None:
    world = make(episode.task, 64)
    whole = save_episodes([episode], tmp_path / "mine" / "drive-v0", world.observation_space, world.action_space)
    broken = tmp_path / "mine" / "broken-v0"

    def door(rng: np.random.Generator) -> None:
        mutated_copy(whole, broken, rng)
        load_episodes(broken)

    knock(door)


def test_uploads(episode: Episode) -> None:
    content = zipped(episode, make(episode.task, 64))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}

    def door(rng: np.random.Generator) -> None:
        if rng.random() < 0.5:
            unzipped(mutated_bytes(content, rng))
            return
        changed = dict(parts)
        name = sorted(changed)[int(rng.integers(len(changed)))]
        data = changed.pop(name)
        if rng.random() < 0.7:
            good = name.endswith(".json")
            data = (
                mutated_json(data.decode(), rng).encode("utf-8", "surrogatepass") if good else mutated_bytes(data, rng)
            )
        else:
            name = mutated_bytes(name.encode(), rng).decode("utf-8", "replace") or "x"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, value in {**changed, name: data}.items():
                archive.writestr(key, value)
        unzipped(buffer.getvalue())

    knock(door)


MESSAGES: list[dict[str, object]] = [
    {"open": {"task": "classic/CartPole", "prompts": ["classic/CartPole#0"], "seed": 3, "agent": "random"}},
    {"open": {"task": "classic/Pendulum", "swaps": [[3, "classic/Pendulum#1"], [9, "none"]], "agent": "nearest"}},
    {"prompt": "classic/CartPole#1[2:9]~shuffled", "panel": 0},
    {"swaps": [[2, "none"], [5, "classic/CartPole#0"]]},
    {"compare": "classic/CartPole#2"},
    {"drop": 1},
    {"agent": "expert"},
    {"playing": True, "speed": 2, "visible": True},
    {"step": 1},
    {"reset": 5},
    {"rewind": 3},
    {"drive": True, "held": ["ArrowLeft", "a"], "press": "ArrowRight"},
    {"grab": [0.5, 0.25], "drag": [0.1, 0.9], "release": True, "push": True},
    {"camera": "front", "blind": True},
    {"take": True, "hello": True},
    {"thumbnails": ["classic/CartPole#0", "classic/CartPole#1"]},
]


def parsed(message: str) -> object:
    """What the connection makes of a message; None if nothing."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None


def test_what_a_page_asks_for(tmp_path: Path) -> None:
    """Every answer can be sent, too."""
    worker, outbox = RenderWorker(64), Outbox()
    stage = Stage("random", None, worker, 64, outbox, DemonstrationStore(), lambda: tmp_path)
    beginning = MESSAGES[0]

    def door(rng: np.random.Generator) -> None:
        message = mutated_json(json.dumps(MESSAGES[int(rng.integers(len(MESSAGES)))]), rng)
        try:
            if not stage.lockstep.panels or rng.random() < 0.05:
                stage.obey(beginning)
            if isinstance(asked := parsed(message), dict):
                stage.obey(asked)
            stage.tick()
        finally:
            while (answer := outbox.take()) is not None:
                assert b"NaN" not in answer

    try:
        knock(door)
    finally:
        stage.close()
        worker.close()


def test_configurations(tmp_path: Path) -> None:
    """A damaged checkpoint is refused before it takes all memory."""
    whole = tmp_path / "whole"
    save_pretrained(GeneralistModel(preset("tiny")), whole, {"tasks": ["classic/CartPole"], "steps": 3})
    broken = tmp_path / "broken"

    def door(rng: np.random.Generator) -> None:
        mutated_copy(whole, broken, rng)
        from_pretrained(broken)
        training = read_config(broken)[1]
        ",".join(training.get("tasks", ["*"]))

    knock(door)


def test_results_that_are_continued(tmp_path: Path) -> None:
    """An evaluation, an experiment's result and a recording's cut, as people edit them."""
    file = tmp_path / "cut.json"
    settings = {"episodes": 3, "seed": 0, "weights": "ab"}
    readers: list[tuple[object, Callable[[], object]]] = [
        ({"settings": settings, "tasks": {"a/b": {"score": 0.5}}}, lambda: evaluate._finished(file, settings)),
        (
            {"experiment": "zero-shot", "settings": settings, "records": {"a": [{"score": 0.5}]}},
            lambda: running._finished(file, "zero-shot", settings),
        ),
        ([2, 9], lambda: recorded_cut(tmp_path, 10)),
    ]

    def door(rng: np.random.Generator) -> None:
        value, read = readers[int(rng.integers(len(readers)))]
        text = json.dumps(value)
        changed = mutated_json(text, rng).encode("utf-8", "surrogatepass") if rng.random() < 0.7 else None
        file.write_bytes(changed or mutated_bytes(text.encode(), rng))
        read()

    knock(door)


def test_prompt_texts() -> None:
    texts = [
        "classic/CartPole#0",
        "classic/CartPole#0[1:6:2]+classic/CartPole#1~shuffled~actions-only",
        "my-drive-1",
        "none",
    ]

    def door(rng: np.random.Generator) -> None:
        text = texts[int(rng.integers(len(texts)))]
        find_prompt(mutated_bytes(text.encode(), rng).decode("utf-8", "replace"))

    knock(door)
