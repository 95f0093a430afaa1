"""What stands beside the live view: the prompt's demonstration, numbers, and the action as bars."""

from io import BytesIO
from textwrap import wrap
from typing import Any

import numpy as np
import pygame

from playground.prompt_spec import NO_PROMPT
from playground.recording.video import ACCENT, FAINT, INK, WARM
from playground.viewing.clips import Clip
from playground.viewing.controllers import action_names
from playground.viewing.readouts import rates, readouts
from playground.window.canvas import LINE, PANEL, Canvas, fitting
from playground.window.view import View
from playground.window.viewer import Viewer

CHARACTERS = (32, 12)
"""Of a readout's line, alone and where two prompts differ."""

ROW, BAR_ROW = 19, 16
"""Heights of a readout and of an action's bar, in units of the canvas."""

TRACK, BARS, NOTE = 10, 20, 15
"""Heights below a demonstration: its line of time, attention, and what the attention sums to."""

Bar = tuple[str, float, float]
"""Name, what was done, and what the agent proposed."""


class Sidebar:
    """Draws the readouts of a viewer, and demonstrations wherever they are wanted.

    Args:
        viewer: what to draw.
        canvas: to draw with.
    """

    def __init__(self, viewer: Viewer, canvas: Canvas):
        self.viewer, self.canvas = viewer, canvas
        self._stills: dict[bytes, pygame.Surface] = {}  # decoded pictures, the latest last

    def draw(self, area: pygame.Rect) -> tuple[pygame.Rect, pygame.Rect] | None:
        """Draws the sidebar; returns where the first view's demonstration and its line of time are, if here."""
        canvas, view, px = self.canvas, self.viewer.view, self.canvas.px
        pygame.draw.rect(canvas.surface, PANEL, area)
        inner = area.inflate(-2 * px(12), -2 * px(12))
        top = canvas.fitted(inner, self.viewer.task, 18, INK)
        rows, bars = self._rows(), self._bars(view)
        needed = px(ROW) * len(rows) + px(BAR_ROW) * (len(bars) + 1) + px(16)
        drawn = None
        if len(self.viewer.views) == 1:
            top = canvas.fitted(inner.move(0, top - inner.top), f"prompt: {prompt_label(view.prompt)}", 14, ACCENT)
            top += px(6)
            under = px(TRACK + BARS + NOTE)
            side = max(px(110), min(inner.width, inner.bottom - top - under - needed))
            drawn = self.demonstration(view, pygame.Rect(inner.left, top, side, side))
            top += side + under
        top = self._readouts(pygame.Rect(inner.left, top + px(6), inner.width, inner.bottom - top), rows)
        self._actions(pygame.Rect(inner.left, top + px(6), inner.width, inner.bottom - top), bars)
        return drawn

    def demonstration(self, view: View, place: pygame.Rect) -> tuple[pygame.Rect, pygame.Rect]:
        """A view's demonstration, with a line of time and attention below; returns where it and the line are."""
        canvas, px = self.canvas, self.canvas.px
        track = pygame.Rect(place.left, place.bottom + px(3), place.width, px(TRACK))
        pygame.draw.rect(canvas.surface, LINE, place, border_radius=px(4))
        clip, found = self.viewer.clip(view), view.demonstration
        if clip is None or found is None or not clip.pictures:
            note = "no prompt" if clip is None else clip.note or "drawing …"
            canvas.text(note, place.center, 13, FAINT, "center")
            return place, track
        step = view.shown_step
        image = self._still(clip, min(step // clip.stride, len(clip.pictures) - 1))
        canvas.picture(image, fitting(image.get_size(), place))
        steps = len(found.episode)
        for start, stop, colour in (
            (0, steps, LINE),
            (found.start, found.stop, FAINT),
            (found.start, step + 1, ACCENT),
        ):
            left, right = (track.left + track.width * n // steps for n in (start, stop))
            pygame.draw.rect(canvas.surface, colour, (left, track.centery - px(2), max(right - left, 1), px(4)))
        self._attention(view, track, steps)
        return place, track

    def _attention(self, view: View, track: pygame.Rect, steps: int) -> None:
        """Bars under the track: where in the demonstration the agent looks."""
        canvas, px = self.canvas, self.canvas.px
        looked = view.agent_view.attention(view)
        if looked is None:
            return
        most, width, bottom = float(looked[1].max()), max(1, track.width // steps), track.bottom + px(BARS)
        for step, weight in zip(*looked, strict=True):
            height = max(1, round(px(BARS) * min(1.0, float(weight) / most)))
            left = track.left + track.width * int(step) // steps
            pygame.draw.rect(canvas.surface, WARM, (left, bottom - height, width, height))
        where = "the prompt" if len(view.spec.cuts) == 1 else "this part of the prompt"
        note = f"{looked[1].sum():.0%} of its attention is on {where}"
        canvas.fitted(pygame.Rect(track.left, bottom, track.width, 1), note, 11, FAINT)

    def _still(self, clip: Clip, number: int) -> pygame.Surface:
        jpeg = clip.pictures[number]
        if jpeg not in self._stills:
            if len(self._stills) >= len(self.viewer.views):
                del self._stills[next(iter(self._stills))]
            self._stills[jpeg] = pygame.image.load(BytesIO(jpeg), "clip.jpg")
        return self._stills[jpeg]

    # Numbers

    def _rows(self) -> list[tuple[str, list[str]]]:
        """Readouts: what, and how much in each view."""
        columns = [_lines(self._shown(view), self.viewer.speed) for view in self.viewer.views]
        for view, column in zip(self.viewer.views, columns, strict=True):
            if score := view.agent_view.ood_score(view):
                column["OOD score"] = score
        names = dict.fromkeys(name for column in columns for name in column)
        rows = [(name, [column.get(name, "–") for column in columns]) for name in names]
        return [row for name, values in rows for row in _wrapped(name, values)]

    def _shown(self, view: View) -> dict[str, Any]:
        return readouts(view.session) | rates(view.ticks, view.task.fps) if view.event is not None else {}

    def _readouts(self, area: pygame.Rect, rows: list[tuple[str, list[str]]]) -> int:
        """Rows of numbers; two columns of them where two prompts differ. Returns where they end."""
        top = area.top
        for name, values in rows:
            self.canvas.text(name, (area.left, top), 13, FAINT)
            shown = values[:1] if len(set(values)) == 1 else values
            for n, value in enumerate(shown):
                right = area.right if len(shown) == 1 else area.left + area.width * (n + 2) // (len(shown) + 1)
                colour = INK if len(shown) == 1 else (ACCENT, WARM)[n]
                self.canvas.text(value, (right, top), 13, colour, "topright")
            top += self.canvas.px(ROW)
        return top

    # Action

    def _bars(self, view: View) -> list[Bar]:
        event = view.event
        if event is None or event.action is None or event.decision is None:
            return []
        names, decision = action_names(view.env), event.decision
        if event.action.ndim:
            return list(zip(names, event.action, np.asarray(decision.action, np.float64), strict=True))
        done, sure = np.eye(len(names))[int(event.action)], np.eye(len(names))[int(decision.action)]
        chances = sure if decision.probabilities is None else decision.probabilities[0][: len(names)]
        return list(zip(names, done * 0.999, chances, strict=True))

    def _actions(self, area: pygame.Rect, bars: list[Bar]) -> None:
        """What was done, one bar per number or choice; in grey what the agent would have done, or how sure it was."""
        if not bars:
            return
        view, canvas, px = self.viewer.view, self.canvas, self.canvas.px
        choice = view.event is not None and view.event.action is not None and not view.event.action.ndim
        title = "action · grey: its probability" if choice else "action"
        if view.driving:
            title = "you · grey: the agent would"
        top = canvas.fitted(area, title, 13, WARM if view.driving else FAINT)
        low, step = 0.0 if choice else -1.0, px(BAR_ROW)
        for n, (name, value, proposed) in enumerate(bars[: max(0, (area.bottom - top) // step)]):
            row = pygame.Rect(area.left, top + n * step, area.width, step)
            canvas.fitted(pygame.Rect(row.topleft, (row.width // 3, step)), name, 11, FAINT)
            track = pygame.Rect(row.left + row.width // 3 + px(6), row.top, row.width * 2 // 3 - px(6), 1)
            zero = track.left + round(track.width * (0 - low) / (1 - low))
            for number, start, height, colour in ((value, 3, 6, ACCENT), (proposed, 10, 3, FAINT)):
                there = track.left + round(track.width * (min(max(float(number), low), 1) - low) / (1 - low))
                bar = (min(zero, there), row.top + px(start), max(abs(there - zero), 1), px(height))
                pygame.draw.rect(canvas.surface, colour, bar)


def prompt_label(name: str) -> str:
    """A prompt's text as it is shown."""
    return "none" if name == NO_PROMPT else name


def _wrapped(name: str, values: list[str]) -> list[tuple[str, list[str]]]:
    """A row as so many as its longest text takes: missions have up to forty words."""
    texts = [wrap(value, CHARACTERS[len(set(values)) > 1]) for value in values]
    count = max(map(len, texts))
    return [(name if n == 0 else "", [text[n] if n < len(text) else "" for text in texts]) for n in range(count)]


def _lines(shown: dict[str, Any], speed: float) -> dict[str, str]:
    """Readouts as text: what -> how much."""
    if not shown:
        return {}

    def number(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, "z" + form)

    lines = {"step": f"{shown['t']} of {shown['max_steps']}", "return": number(shown["return"], ".2f")}
    lines["normalised score"] = number(shown["score"], ".2f")
    if shown["success"] is not None:
        lines["solved"] = "yes" if shown["success"] else "not yet"
    if shown["goal"]:
        lines["goal"] = shown["goal"]
    if shown["subtask"]:
        lines["now"] = shown["subtask"]
    return lines | {
        "seed": str(shown["seed"]),
        "real time": f"{number(shown['ratio'], '.2f')} of {speed:g}",
        "pictures a second": number(shown["drawn_fps"], ".0f"),
        "decision": f"{number(shown['latency_ms'], '.1f')} ms",
        "entropy": f"{number(shown['entropy'], '.2f')} bit",
    }
