"""Draws a player on a pygame surface of any size: the live view, the prompt's demonstration, readouts, messages.

Everything scales with the surface's height, so that high resolutions are as legible as low ones.
"""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pygame

from playground.viewing.catalogue import NO_PROMPT
from playground.viewing.readouts import readouts
from playground.viewing.reel import Reel
from playground.window.keys import KEYS
from playground.window.player import Player, View

PAPER, PANEL, LINE = (18, 20, 26), (27, 30, 38), (52, 57, 70)
INK, FAINT, ACCENT, WARM, BAD = (228, 232, 240), (140, 147, 163), (94, 176, 255), (255, 176, 84), (255, 112, 112)

Bar = tuple[str, float, float]
"""Name, what was done, and what the agent proposed."""

DESIGN_HEIGHT = 720
"""Height in pixels at which one unit of measure is one pixel."""


class Screen:
    """Draws; keeps fonts and what was scaled last.

    Args:
        player: what to draw.
    """

    def __init__(self, player: Player):
        self.player = player
        self.overlays, self.help = True, False
        self.entry: str | None = None
        """A name that is being typed."""
        self.inset = self.track = pygame.Rect(0, 0, 0, 0)
        """Where the demonstration was drawn, and the line below it."""
        self.live: list[pygame.Rect] = []
        """Where the live views were drawn, for the mouse."""
        self._fonts: dict[int, pygame.font.Font] = {}
        self._font_file = _font_file()
        self._scaled: list[tuple[np.ndarray, pygame.Surface]] = []  # live pictures as they were drawn last
        self._still: tuple[object, pygame.Surface] | None = None

    def draw(self, surface: pygame.Surface) -> None:
        """Draws everything."""
        width, height = surface.get_size()
        self._unit = max(0.5, height / DESIGN_HEIGHT)
        surface.fill(PAPER)
        column = min(self._px(330), width // 3) if self.overlays else 0
        bar = self._px(30)
        self._views(surface, pygame.Rect(0, 0, width - column, height - bar))
        if column and self.player.views:
            self._column(surface, pygame.Rect(width - column, 0, column, height - bar))
        self._bar(surface, pygame.Rect(0, height - bar, width, bar))
        if self.help:
            self._help(surface)

    # Live views

    def _views(self, surface: pygame.Surface, area: pygame.Rect) -> None:
        views = self.player.views
        self.live = []
        if not views:
            self._text(
                surface, self.player.busy or "nothing is running", surface.get_rect().center, 20, FAINT, "center"
            )
        for n, view in enumerate(views):
            left = area.left + n * area.width // len(views)
            cell = pygame.Rect(left, area.top, area.width // len(views), area.height).inflate(-self._px(12), 0)
            if len(views) > 1:
                self._fitted(surface, cell, _prompt_label(view.prompt), 15, ACCENT if n == 0 else WARM)
                cell = pygame.Rect(cell.left, cell.top + self._px(26), cell.width, cell.height - self._px(26))
            if view.picture is not None:
                self.live.append(self._picture(surface, view.picture, cell))
            if view.event is not None and view.event.done and self.live:
                self._ending(surface, view, self.live[-1])
        if views and views[0].drive.active and self.live:
            self._driving(surface, self.live[0])

    def _driving(self, surface: pygame.Surface, live: pygame.Rect) -> None:
        """A frame around the world that a person drives, and the keys for it."""
        drive = self.player.view.drive
        pygame.draw.rect(surface, WARM, live, self._px(3))
        lines = [f"[{key}] {meaning}" for key, meaning in drive.hand.help()]
        if drive.waits:
            lines.insert(0, "waiting for your key")
        for n, line in enumerate(["you drive", *lines]):
            top = live.top + self._px(8 + 17 * n)
            self._text(surface, f" {line} ", (live.left + self._px(8), top), 12, WARM if n == 0 else INK, back=PAPER)

    def _picture(self, surface: pygame.Surface, picture: np.ndarray, area: pygame.Rect) -> pygame.Rect:
        """Scales a picture into the middle of an area."""
        height, width = picture.shape[:2]
        scale = min(area.width / width, area.height / height)
        place = pygame.Rect(0, 0, round(width * scale), round(height * scale))
        place.center = area.center
        drawn = next((kept for of, kept in self._scaled if of is picture and kept.get_size() == place.size), None)
        if drawn is None:
            image = pygame.image.frombuffer(np.ascontiguousarray(picture).data, (width, height), "RGB")
            scale_by = pygame.transform.scale if min(width, height) * 3 < place.width else pygame.transform.smoothscale
            drawn = scale_by(image, place.size)
            self._scaled = [*self._scaled, (picture, drawn)][-2:]
        surface.blit(drawn, place)
        return place

    def _ending(self, surface: pygame.Surface, view: View, place: pygame.Rect) -> None:
        assert view.event is not None
        word = "solved" if view.event.success else "not solved" if view.event.success is False else "over"
        text = f" {word} · return {view.event.total_reward:.2f} "
        self._text(surface, text, (place.centerx, place.bottom - self._px(28)), 20, INK, "center", PANEL)

    # Column

    def _column(self, surface: pygame.Surface, area: pygame.Rect) -> None:
        pygame.draw.rect(surface, PANEL, area)
        pad = self._px(12)
        inner = area.inflate(-2 * pad, -2 * pad)
        view = self.player.view
        top = self._fitted(surface, inner, self.player.task, 18, INK)
        top = self._fitted(surface, inner.move(0, top - inner.top), f"prompt: {_prompt_label(view.prompt)}", 14, ACCENT)
        side = min(inner.width, self._px(220))
        top = self._demonstration(surface, pygame.Rect(inner.left, top + self._px(4), side, side))
        top = self._readouts(surface, pygame.Rect(inner.left, top, inner.width, inner.bottom - top))
        self._actions(surface, pygame.Rect(inner.left, top, inner.width, inner.bottom - top))

    def _demonstration(self, surface: pygame.Surface, place: pygame.Rect) -> int:
        """The prompt's demonstration and where in it the picture is; returns where it ends."""
        self.inset = place
        self.track = pygame.Rect(place.left, place.bottom + self._px(3), place.width, self._px(10))
        pygame.draw.rect(surface, LINE, place, border_radius=self._px(4))
        reel, found = self.player.reel, self.player.view.demonstration
        if reel is None or found is None or not reel.pictures:
            note = "no prompt" if reel is None else reel.note or "drawing …"
            self._fitted(surface, place.inflate(-self._px(12), 2 * self._px(7) - place.height), note, 13, FAINT)
            return self.track.bottom + self._px(6)
        step = self.player.shown_step
        image = self._decoded(reel, min(step // reel.stride, len(reel.pictures) - 1))
        scale = min(place.width / image.get_width(), place.height / image.get_height())
        size = (round(image.get_width() * scale), round(image.get_height() * scale))
        surface.blit(pygame.transform.smoothscale(image, size), image.get_rect(size=size, center=place.center))
        steps = len(found.episode)
        for start, stop, colour in (
            (0, steps, LINE),
            (found.start, found.stop, FAINT),
            (found.start, step + 1, ACCENT),
        ):
            left, right = (self.track.left + self.track.width * n // steps for n in (start, stop))
            height = self._px(4)
            pygame.draw.rect(surface, colour, (left, self.track.centery - height // 2, max(right - left, 1), height))
        return self._attention(surface, steps)

    def _attention(self, surface: pygame.Surface, steps: int) -> int:
        """Bars under the track: where in the demonstration the agent looks; returns where they end."""
        looked = self.player.thoughts.attention(self.player.view)
        if looked is None:
            return self.track.bottom + self._px(6)
        bottom = self.track.bottom + self._px(20)
        for step, weight in zip(*looked, strict=True):
            left = self.track.left + self.track.width * int(step) // steps
            height = max(1, round(self._px(20) * min(1.0, float(weight) / float(looked[1].max()))))
            pygame.draw.rect(surface, WARM, (left, bottom - height, max(1, self.track.width // steps), height))
        return self._fitted(
            surface,
            pygame.Rect(self.track.left, bottom, self.track.width, 1),
            f"looks at the prompt: {looked[1].sum():.0%}",
            11,
            FAINT,
        )

    def step_at(self, at: tuple[int, int]) -> int:
        """The demonstration's timestep at a place on its track."""
        found = self.player.view.demonstration
        share = min(max((at[0] - self.track.left) / max(self.track.width, 1), 0.0), 0.999)
        return 0 if found is None else int(share * len(found.episode))

    def _decoded(self, reel: Reel, number: int) -> pygame.Surface:
        jpeg = reel.pictures[number]
        if self._still is None or self._still[0] is not jpeg:
            self._still = (jpeg, pygame.image.load(BytesIO(jpeg), "reel.jpg"))
        return self._still[1]

    def _readouts(self, surface: pygame.Surface, area: pygame.Rect) -> int:
        """Rows of numbers; two columns of them when two prompts are compared. Returns where they end."""
        columns = [_rows(readouts(view.session, view.ticks), self.player.speed) for view in self.player.views]
        strange = self.player.thoughts.strangeness(self.player.view)
        if strange:
            columns[0].append(("strangeness", strange))
            for column in columns[1:]:
                column.append(("strangeness", ""))
        top = area.top
        for rows in zip(*columns, strict=False):
            self._text(surface, rows[0][0], (area.left, top), 13, FAINT)
            if len({value for _, value in rows}) == 1:
                rows = rows[:1]
            for n, (_, value) in enumerate(rows):
                right = area.right if len(rows) == 1 else area.left + area.width * (n + 2) // (len(rows) + 1)
                self._text(surface, value, (right, top), 13, INK, "topright")
            top += self._px(19)
        return top + self._px(8)

    def _actions(self, surface: pygame.Surface, area: pygame.Rect) -> None:
        """What was done, one bar per number or choice; in grey what the agent would have done."""
        view = self.player.view
        event = view.event
        if event is None or event.action is None or event.decision is None:
            return
        title = "you · grey: the agent would" if view.drive.active else "action"
        top = self._fitted(surface, area, title, 13, WARM if view.drive.active else FAINT)
        area = pygame.Rect(area.left, top, area.width, area.bottom - top)
        names, decision = view.session.env.action_names, event.decision
        if event.action.ndim:
            proposed = np.asarray(decision.action, np.float64)
            self._bars(surface, area, list(zip(names, event.action, proposed, strict=True)), -1.0)
        else:
            done = np.eye(len(names))[int(event.action)]
            sure = np.eye(len(names))[int(decision.action)]
            chances = sure if decision.probabilities is None else decision.probabilities[0][: len(names)]
            self._bars(surface, area, list(zip(names, done * 0.999, chances, strict=True)), 0.0)

    def _bars(self, surface: pygame.Surface, area: pygame.Rect, bars: list[Bar], low: float) -> None:
        step = self._px(16)
        for n, (name, value, proposed) in enumerate(bars[: max(0, area.height // step)]):
            row = pygame.Rect(area.left, area.top + n * step, area.width, step)
            self._fitted(surface, pygame.Rect(row.topleft, (row.width // 3, step)), name, 11, FAINT)
            track = pygame.Rect(row.left + row.width // 3 + self._px(6), row.top, row.width * 2 // 3 - self._px(6), 1)
            zero = track.left + round(track.width * (0 - low) / (1 - low))
            for number, top, height, colour in ((value, 3, 6, ACCENT), (proposed, 10, 3, FAINT)):
                there = track.left + round(track.width * (min(max(float(number), low), 1) - low) / (1 - low))
                bar = (min(zero, there), row.top + self._px(top), max(abs(there - zero), 1), self._px(height))
                pygame.draw.rect(surface, colour, bar)

    # Bar and help

    def _bar(self, surface: pygame.Surface, area: pygame.Rect) -> None:
        player = self.player
        pygame.draw.rect(surface, PANEL, area)
        inner = area.inflate(-self._px(20), -self._px(8))
        if self.entry is not None:
            self._fitted(surface, inner, f"name of the recording (Enter, or Esc): {self.entry}|", 14, ACCENT)
            return
        if player.error:
            self._fitted(surface, inner, f"stopped: {player.error}", 14, BAD)
            return
        state = "paused" if player.views and not player.playing else "F1 lists the keys"
        if player.recording:
            state = "● recording · " + state
        self._text(surface, state, (inner.right, inner.top + self._px(2)), 13, FAINT, "topright")
        self._fitted(surface, pygame.Rect(inner.topleft, (inner.width * 3 // 4, inner.height)), player.message, 14, INK)

    def _help(self, surface: pygame.Surface) -> None:
        row = self._px(22)
        box = pygame.Rect(0, 0, self._px(430), row * (len(KEYS) + 1))
        box.center = surface.get_rect().center
        pygame.draw.rect(surface, PAPER, box, border_radius=self._px(8))
        pygame.draw.rect(surface, ACCENT, box, 1, border_radius=self._px(8))
        for n, key in enumerate(KEYS):
            top = box.top + row // 2 + n * row
            self._text(surface, key.label, (box.left + self._px(90), top), 15, ACCENT, "topright")
            self._text(surface, key.help, (box.left + self._px(110), top), 15, INK)

    # Text

    def _px(self, units: float) -> int:
        return max(1, round(units * self._unit))

    def _font(self, units: float) -> pygame.font.Font:
        size = self._px(units)
        if size not in self._fonts:
            self._fonts[size] = pygame.font.Font(self._font_file, size)
        return self._fonts[size]

    def _text(
        self,
        surface: pygame.Surface,
        text: str,
        at: tuple[int, int],
        units: float,
        colour: tuple[int, int, int],
        anchor: str = "topleft",
        back: tuple[int, int, int] | None = None,
    ) -> pygame.Rect:
        drawn = self._font(units).render(text, True, colour, back)
        return surface.blit(drawn, drawn.get_rect(**{anchor: at}))

    def _fitted(
        self, surface: pygame.Surface, area: pygame.Rect, text: str, units: float, colour: tuple[int, int, int]
    ) -> int:
        """A line at an area's top, cut where it does not fit; returns where the line ends."""
        font = self._font(units)
        while text and font.size(text)[0] > area.width:
            text = text[:-2] + "…" if len(text) > 2 else ""
        self._text(surface, text, area.topleft, units, colour)
        return area.top + font.get_linesize()


def _font_file() -> str | None:
    """DejaVu Sans, which comes with matplotlib and has the signs that missions and readouts use."""
    found = find_spec("matplotlib")
    file = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    return str(file) if file is not None and file.exists() else None


def _prompt_label(name: str) -> str:
    return "none" if name == NO_PROMPT else name


def _rows(shown: dict[str, Any], speed: float) -> list[tuple[str, str]]:
    """Readouts as lines: what, and how much."""
    if not shown:
        return []

    def number(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    rows = [
        ("step", f"{shown['t']} of {shown['max_steps']}"),
        ("return", number(shown["return"], ".2f")),
        ("normalised score", number(shown["score"], ".2f")),
        ("seed", str(shown["seed"])),
        ("real time", f"{number(shown['ratio'], '.2f')} of {speed:g}"),
        ("pictures a second", number(shown["fps"], "d")),
        ("decision", f"{number(shown['latency_ms'], '.1f')} ms"),
        ("entropy", f"{number(shown['entropy'], '.2f')} bit"),
    ]
    if shown["success"] is not None:
        rows.insert(3, ("solved", "yes" if shown["success"] else "not yet"))
    if shown["goal"]:
        rows.append(("goal", shown["goal"]))
    return rows
