"""A visitor without a browser: obeys, keeps the newest picture only, survives errors; clips tell the truth."""

import gc
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from playground.demonstrations import shipped
from playground.environment import DomainEnv
from playground.prompt_spec import NO_PROMPT
from playground.viewing.clips import RenderWorker
from playground.web.page_catalogue import gallery
from playground.web.panel import PagePanel
from playground.web.visitor import Visitor
from tests.conftest import OTHER, TASK

pytestmark = pytest.mark.usefixtures("demonstrations")


class Page:
    """Takes what a visitor publishes, as the page would."""

    def __init__(self, visitor: Visitor):
        self.visitor = visitor
        self.live: list[dict[str, Any]] = []
        self.clips: list[dict[str, Any]] = []
        self.notices: dict[str, Any] = {}
        self.pictures = 0
        visitor.attach(lambda: None)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Takes messages until a live one is as wanted."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            message = self.visitor.take()
            if message is None:
                time.sleep(0.005)
                continue
            header, pictures = unpacked(message)
            if "clip" in header:
                self.clips.append(header["clip"])
            if "live" not in header:
                self.notices |= header
                if self.live and wanted(self.live[-1]):
                    return self.live[-1]
                continue
            self.live.append(header["live"])
            assert all(picture[:2] == b"\xff\xd8" for picture in pictures)
            self.pictures += len(pictures)
            if wanted(header["live"]):
                return header["live"]
        raise AssertionError(f"not within 30 s; last was {self.live[-1:]}")


def unpacked(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """A message's JSON and pictures."""
    (length,) = struct.unpack_from("<I", message)
    header, at, pictures = json.loads(message[4 : 4 + length]), 4 + length, []
    for size in header["blobs"]:
        pictures.append(message[at : at + size])
        at += size
    assert at == len(message)
    return header, pictures


@pytest.fixture(scope="module")
def render_worker(demonstrations: None) -> Iterator[RenderWorker]:
    render_worker = RenderWorker(64)
    yield render_worker
    render_worker.close()


@pytest.fixture
def page(render_worker: RenderWorker) -> Iterator[Page]:
    visitor = Visitor({"task": TASK, "prompts": [f"{TASK}#0"]}, "nearest", None, render_worker, 64)
    page = Page(visitor)
    page.until(lambda live: live.get("t", 0) >= 1)
    yield page
    visitor.close()
    visitor.join()


def test_every_step_is_published_in_order(page: Page):
    page.visitor.command({"playing": False, "reset": True})
    for _ in range(3):
        page.visitor.command({"step": 1})
    page.live.clear()
    last = page.until(lambda live: live["t"] == 3 and not live["playing"])
    assert last["acted"] == f"{TASK}#0" and last["live_steps"] == 0 and last["history"] == [[0, f"{TASK}#0"]]


def test_a_swap_counts_from_the_next_step_and_keeps_the_world(page: Page):
    page.visitor.command({"playing": False, "reset": 5})
    before = page.until(lambda live: live["seed"] == 5 and live["t"] == 0)
    page.visitor.command({"prompt": f"{TASK}#1"})
    after = page.until(lambda live: live["prompt"] == f"{TASK}#1")
    assert after["t"] == 0 and after["acted"] == f"{TASK}#0" and after["goal"] == before["goal"]
    page.visitor.command({"step": 1})
    assert page.until(lambda live: live["t"] == 1)["acted"] == f"{TASK}#1"
    page.visitor.command({"prompt": f"{TASK}#2"})
    after = page.until(lambda live: live["prompt"] == f"{TASK}#2")
    assert after["history"] == [[0, f"{TASK}#1"], [1, f"{TASK}#2"]]


def test_a_swap_changes_what_is_done_in_the_same_place(page: Page):
    def action(prompt: str) -> list[float]:
        page.visitor.command({"playing": False, "prompt": f"{TASK}#0", "reset": 11})
        page.visitor.command({"prompt": prompt})
        page.until(lambda live: live["t"] == 0 and live["acted"] == f"{TASK}#0" and live["prompt"] == prompt)
        page.visitor.command({"step": 1})
        return page.until(lambda live: live["t"] == 1 and live["acted"] == prompt)["action"]

    chosen = [action(f"{TASK}#{number}") for number in range(4)]
    assert action(f"{TASK}#0") == chosen[0]
    assert any(other != chosen[0] for other in chosen[1:])


def test_pictures_are_not_drawn_while_nobody_takes_them(page: Page):
    page.visitor.command({"speed": 8})
    page.until(lambda live: live["speed"] == 8)
    page.until(lambda live: True)
    time.sleep(1.0)
    before, page.pictures = page.live[-1], 0
    later = page.until(lambda live: (live["episode"], live["t"]) != (before["episode"], before["t"]))
    assert page.pictures <= 2 and later is not before


def test_nothing_moves_while_hidden(page: Page):
    page.visitor.command({"visible": False})
    time.sleep(0.3)
    while page.visitor.take() is not None:
        pass
    time.sleep(0.5)
    assert page.visitor.take() is None
    page.visitor.command({"visible": True})
    page.until(lambda live: live["playing"])


@pytest.mark.parametrize(
    "message",
    [
        {"speed": 3},
        {"seed": 1},
        {"prompt": "no/such#1"},
        {"prompt": f"{TASK}#99"},
        {"prompt": f"{TASK}#0[5:5]"},
        {"prompt": f"{TASK}#0", "panel": 1},
        {"open": {"task": "no/such"}},
        {"open": {"task": TASK, "seed": "x"}},
        {"open": {"task": TASK, "swaps": [[1]]}},
        {"swaps": [[1, "no/such#1"]]},
        {"reset": -5},
        {"drop": 0},
        {"thumbnails": ["../secret#0"]},
    ],
)
def test_bad_requests_pause_with_a_message_and_the_world_survives(page: Page, message: dict[str, Any]):
    page.visitor.command(message)
    live = page.until(lambda live: bool(live["error"]))
    assert not live["playing"] and live["task"] == TASK
    page.visitor.command({"playing": True})
    page.until(lambda live: live["playing"] and not live["error"])


def test_another_task_then_no_prompt_then_another_agent(page: Page):
    page.visitor.command({"open": {"task": OTHER, "prompts": [f"{OTHER}#1"]}})
    page.until(lambda live: live.get("acted") == f"{OTHER}#1" and live["task"] == OTHER)
    page.visitor.command({"prompt": NO_PROMPT})
    page.until(lambda live: live["acted"] is None)
    page.visitor.command({"agent": "expert"})
    assert page.until(lambda live: live["agent"] == "expert")["task"] == OTHER


def test_clips_show_the_recording(page: Page, render_worker: RenderWorker):
    episode = shipped(TASK)[2]
    clip = render_worker.clip(f"{TASK}#2", episode)
    page.visitor.command({"prompt": f"{TASK}#2"})
    deadline = time.monotonic() + 20
    while len(clip.pictures) < clip.total and time.monotonic() < deadline:
        page.until(lambda live: True)
    assert len(clip.pictures) == clip.total == len(episode) + 1 and clip.note == ""
    page.until(lambda live: any(news["name"] == clip.name and news.get("index") == 2 for news in page.clips))


def test_clips_say_where_they_leave_the_recording(render_worker: RenderWorker):
    episode = shipped(TASK)[0]
    grids = episode.observations["grid"].copy()
    grids[2] += 1
    wrong = render_worker.clip("wrong", replace(episode, observations=episode.observations | {"grid": grids}))
    lost = render_worker.clip("lost", replace(episode, seed=None))
    deadline = time.monotonic() + 20
    while (len(wrong.pictures) < wrong.total or not lost.note) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "leaves the recording at step 2" in wrong.note
    assert "start was not recorded" in lost.note and not lost.pictures


def test_the_gallery_names_the_goals_and_the_other_tasks():
    groups = {group["title"]: group["cards"] for group in gallery(TASK, None)}
    assert [card["name"] for card in groups["this task"]] == [f"{TASK}#{n}" for n in range(4)]
    assert [card["name"] for card in groups["same world, another task"]] == [f"{OTHER}#0", f"{OTHER}#1"]
    assert groups["this task"][0]["goal"] == shipped(TASK)[0].goal


def test_thumbnails_are_drawn_when_asked_for(page: Page):
    page.visitor.command({"thumbnails": [f"{TASK}#3"]})
    page.until(lambda live: page.notices.get("thumbnails") == f"{TASK}#3")


def test_prompts_are_compared_in_step_from_one_start(page: Page):
    page.visitor.command({"playing": False, "reset": 4})
    page.visitor.command({"compare": f"{TASK}#1"})
    live = page.until(lambda live: len(live["others"]) == 1)
    assert live["others"][0]["prompt"] == f"{TASK}#1" and live["others"][0]["goal"] == live["goal"]
    page.visitor.command({"step": 1})
    live = page.until(lambda live: live["t"] == 1)
    assert live["others"][0]["t"] == 1 and live["others"][0]["seed"] == live["seed"] == 4
    page.visitor.command({"prompt": NO_PROMPT, "panel": 1})
    live = page.until(lambda live: live["others"][0]["prompt"] == NO_PROMPT)
    assert live["prompt"] == f"{TASK}#0"
    page.visitor.command({"drop": 1})
    page.until(lambda live: live["others"] == [])


def test_the_world_is_taken_back(page: Page):
    page.visitor.command({"playing": False, "reset": 4})
    for _ in range(3):
        page.visitor.command({"step": 1})
    page.visitor.command({"prompt": f"{TASK}#1"})
    page.until(lambda live: live["t"] == 3 and live["prompt"] == f"{TASK}#1")
    page.visitor.command({"rewind": 10})
    live = page.until(lambda live: live["t"] == 0)
    assert live["seed"] == 4 and live["history"] == [[0, f"{TASK}#1"]] and not live["error"]


def test_a_link_is_followed_to_the_step(page: Page):
    story = {"task": TASK, "prompts": [f"{TASK}#0"], "seed": 9, "swaps": [[2, f"{TASK}#1"], [4, NO_PROMPT]]}
    page.visitor.command({"playing": False, "open": story})
    for _ in range(6):
        page.visitor.command({"step": 1})
    live = page.until(lambda live: live["t"] == 6 and live["seed"] == 9)
    assert live["history"] == [[0, f"{TASK}#0"], [2, f"{TASK}#1"], [4, NO_PROMPT]]


def test_a_person_drives_turn_by_turn_and_uses_it_as_prompt(page: Page):
    page.visitor.command({"playing": False, "reset": 3})
    page.visitor.command({"playing": True, "drive": True})
    before = page.until(lambda live: live["driving"])
    keys = page.notices["controls"]["keys"]
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.visitor.command({"press": key})
    live = page.until(lambda live: live["t"] == before["t"] + 4)
    assert keys["ArrowLeft"] == "left" and live["action"] == [0.0] and live["touched"] and live["proposed"] is not None
    page.visitor.command({"take": True})
    page.until(lambda live: "new" in page.notices)
    (own,) = page.notices["new"]
    page.visitor.command({"prompt": own, "drive": False})
    page.until(lambda live: live["acted"] == own)


def test_a_blindfold_changes_what_is_done_and_a_push_what_happens(page: Page):
    def fate(*requests: dict[str, Any]) -> list[Any]:
        page.visitor.command({"playing": False, "blind": False, "reset": 6})
        for request in requests:
            page.visitor.command(request)
        page.live.clear()
        for t in range(1, 9):
            page.visitor.command({"step": 1})
            page.until(lambda live, t=t: live["t"] == t)
        return [live["action"] for live in page.live if live["t"] > 0]

    seeing = fate()
    assert fate() == seeing
    assert fate({"blind": True}) != seeing
    assert fate({"push": True}) != seeing


def test_a_video_is_kept_while_the_visitor_is_there(page: Page):
    page.visitor.command({"record": True, "speed": "max"})
    page.until(lambda live: live["recording"] and live["t"] > 3)
    page.visitor.command({"record": False})
    page.until(lambda live: "kept" in page.notices)
    path = page.visitor.file(page.notices["kept"])
    assert path.stat().st_size > 500 and page.visitor.file("../" + path.name) is None
    page.visitor.close()
    page.visitor.join()
    assert not path.exists()


@pytest.mark.slow
def test_visitors_who_come_and_go_leave_nothing_behind(render_worker: RenderWorker):
    def left() -> tuple[int, int, int]:
        gc.collect()
        alive = [o for o in gc.get_objects() if issubclass(type(o), (Visitor, PagePanel, DomainEnv))]
        return len(alive), threading.active_count(), len(os.listdir("/proc/self/fd"))

    def visit(number: int) -> None:
        visitor = Visitor({"task": TASK, "prompts": [f"{TASK}#0"]}, "nearest", None, render_worker, 64)
        page = Page(visitor)
        visitor.command({"compare": f"{TASK}#1", "speed": "max"})
        visitor.command({"record": True})
        page.until(lambda live: len(live.get("others", ())) == 1 and live["recording"] and live["t"] > 2)
        visitor.command({"open": {"task": OTHER if number % 2 else TASK}})
        visitor.detach()
        visitor.close()
        visitor.join()
        assert visitor.ended

    visit(0)
    before = left()
    for number in range(4):
        visit(number)
    assert all(after <= then for after, then in zip(left(), before, strict=True))


@pytest.mark.slow
def test_without_opengl_the_page_tells_the_cure():
    code = f"""
import time
from playground.viewing.clips import RenderWorker
from playground.web.panel import PagePanel
from playground.web.visitor import Visitor
render_worker = RenderWorker(64)
visitor = Visitor({{"task": "metaworld/reach"}}, "expert", None, render_worker, 64)
visitor.attach(lambda: None)
deadline, shown = time.monotonic() + 60, b""
while b"unset it" not in shown and time.monotonic() < deadline:
    shown = visitor.take() or shown
    time.sleep(0.02)
assert b"MUJOCO_GL=disabled switches drawing off; unset it" in shown, shown
visitor.command({{"open": {{"task": "{TASK}"}}, "playing": True}})
while b'"t": 2' not in shown and time.monotonic() < deadline:
    shown = visitor.take() or shown
    time.sleep(0.005)
assert b'"error": ""' in shown, shown
visitor.close()
visitor.join()
render_worker.close()
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MUJOCO_GL": "disabled"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
