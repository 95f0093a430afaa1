"""What waits for a page. Live views are never queued: only the newest is kept; drawn demonstrations wait their turn.

A message is 4 bytes length, JSON, and the pictures one after the other, whose lengths the JSON's `blobs` tells.
"""

import json
import struct
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from playground.viewing.clips import Clip, Thumbnails
from playground.viewing.readouts import readable_goal

MAX_NOTICES = 200
"""Notices that may wait; a page that takes none for so long has gone."""


class SessionError(Exception):
    """A visitor's session cannot go on, and its page has to be told."""


def packed(header: dict[str, Any], pictures: Sequence[bytes] = ()) -> bytes:
    """A message to the page. JSON has no NaN and no infinity, at which a browser would stop reading: they are null."""
    header = header | {"blobs": [len(picture) for picture in pictures]}
    try:
        text = json.dumps(header, allow_nan=False).encode()
    except ValueError:
        text = json.dumps(json.loads(json.dumps(header), parse_constant=lambda _: None)).encode()
    return b"".join((struct.pack("<I", len(text)), text, *pictures))


class Outbox:
    """Any thread may call anything here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._notify: Callable[[], None] | None = None
        self._state: dict[str, Any] | None = None
        self._pictures: dict[int, bytes] = {}
        self._notices: deque[bytes] = deque(maxlen=MAX_NOTICES)
        self._clips: dict[str, tuple[Clip, int, str]] = {}  # with the number of pictures and the note that were sent
        self._thumbnails: dict[str, Thumbnails] = {}
        self._others_turn = False
        self._failure = ""

    def attach(self, notify: Callable[[], None]) -> None:
        """Connects a page: `notify` is called, from any thread, whenever `take` has something."""
        with self._lock:
            self._notify = notify
            self._clips = {name: (clip, 0, "") for name, (clip, _, _) in self._clips.items()}
        notify()

    def detach(self) -> None:
        """Disconnects the page, which is called once more, so that it learns of it."""
        with self._lock:
            notify, self._notify = self._notify, None
        if notify is not None:
            notify()

    @property
    def attached(self) -> bool:
        """Whether a page is connected."""
        return self._notify is not None

    @property
    def picture_waits(self) -> bool:
        """Whether the page has not taken the last pictures yet, so that drawing more would be for nothing."""
        return bool(self._pictures)

    def show(self, state: dict[str, Any], pictures: dict[int, bytes]) -> None:
        """Publishes the live view: what is so now, and new pictures by panel; replaces what was not taken."""
        with self._lock:
            if self._state is not None and "agent_view" in self._state:
                state.setdefault("agent_view", self._state["agent_view"])
            self._state = state
            self._pictures |= pictures
        self._news()

    def forget_pictures(self) -> None:
        """Drops pictures that were not taken: they are of panels that have gone."""
        with self._lock:
            self._pictures = {}

    def tell(self, notice: dict[str, Any]) -> None:
        """Sends something that must not be lost."""
        with self._lock:
            self._notices.append(packed(notice))
        self._news()

    def fail(self, reason: str) -> None:
        """Ends the page's session: the next `take` raises."""
        self._failure = reason
        self._news()

    def watch(self, clips: Sequence[Clip]) -> None:
        """Sends these clips, as they are drawn, and no others."""
        with self._lock:
            for name, (clip, _, _) in self._clips.items():
                if clip not in clips and self._news in clip.watchers:
                    clip.watchers.remove(self._news)
                    self._clips = {other: sent for other, sent in self._clips.items() if other != name}
            for clip in clips:
                if clip.name not in self._clips:
                    self._clips[clip.name] = (clip, 0, "")
                    clip.watchers.append(self._news)
        self._news()

    def want(self, thumbnails: Sequence[Thumbnails]) -> None:
        """Sends these thumbnails once they are drawn, and forgets the others."""
        with self._lock:
            for one in self._thumbnails.values():
                if self._news in one.watchers:
                    one.watchers.remove(self._news)
            self._thumbnails = {one.name: one for one in thumbnails}
            for one in thumbnails:
                one.watchers.append(self._news)
        self._news()

    def take(self) -> bytes | None:
        """The next message. The live view and all else take turns.

        Raises:
            SessionError: the session has failed.
        """
        if self._failure:
            raise SessionError(self._failure)
        with self._lock:
            if self._others_turn or self._state is None:
                self._others_turn = False
                other = self._other()
                if other is not None:
                    return other
            if self._state is None:
                return None
            header = {"live": self._state, "panels": list(self._pictures)}
            message = packed(header, list(self._pictures.values()))
            self._state, self._pictures, self._others_turn = None, {}, True
            return message

    def _other(self) -> bytes | None:
        if self._notices:
            return self._notices.popleft()
        for name, row in self._thumbnails.items():
            if row.picture is not None:
                del self._thumbnails[name]
                if self._news in row.watchers:
                    row.watchers.remove(self._news)
                return packed({"thumbnails": name}, [row.picture])
        for name, (clip, sent, note) in self._clips.items():
            about = {
                "name": name,
                "fps": clip.fps,
                "stride": clip.stride,
                "total": clip.total,
                "note": clip.note,
                "goal": readable_goal(clip.episode.goal),
            }
            if sent < len(clip.pictures):
                self._clips[name] = (clip, sent + 1, clip.note)
                return packed({"clip": about | {"index": sent}}, [clip.pictures[sent]])
            if clip.note != note:
                self._clips[name] = (clip, sent, clip.note)
                return packed({"clip": about})
        return None

    def _news(self) -> None:
        notify = self._notify
        if notify is not None:
            notify()
