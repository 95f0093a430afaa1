"""Draws a viewer on a pygame surface of any size: live views, messages, keys; `sidebar` does the rest."""

import pygame

from playground.recording.video import ACCENT, FAINT, INK, PAPER, WARM
from playground.viewing.keymap import WINDOW, bindings
from playground.window.canvas import BAD, PANEL, Canvas, fitting
from playground.window.sidebar import BARS, NOTE, TRACK, Sidebar, prompt_label
from playground.window.viewer import View, Viewer

LIVE_SHARE = 0.6
"""Of a cell's height that a live view takes, where its demonstration stands below it."""

MIN_DEMONSTRATION = 90
"""Height in units from which on a demonstration is worth drawing."""

KEYS = bindings(WINDOW)

NOWHERE = pygame.Rect(0, 0, 0, 0)


class Screen:
    """Draws everything.

    Args:
        viewer: what to draw.
    """

    def __init__(self, viewer: Viewer):
        self.viewer = viewer
        self.overlays, self.help = True, False
        self.entry: str | None = None
        """A name that is being typed."""
        self.inset = self.track = NOWHERE
        """Where the first view's demonstration was drawn, and the line below it."""
        self.live: list[pygame.Rect] = []
        """Where the live views were drawn, for the mouse."""
        self._canvas = Canvas()
        self._sidebar = Sidebar(viewer, self._canvas)

    def draw(self, surface: pygame.Surface) -> None:
        """Draws what is to be seen now."""
        width, height = surface.get_size()
        self._canvas.take(surface)
        self.inset = self.track = NOWHERE
        views = self.viewer.views
        sidebar = min(self._canvas.px(330), width // 3) if self.overlays and views else 0
        bar = self._canvas.px(30)
        self._views(pygame.Rect(0, 0, width - sidebar, height - bar))
        if sidebar:
            drawn = self._sidebar.draw(pygame.Rect(width - sidebar, 0, sidebar, height - bar))
            self.inset, self.track = drawn or (self.inset, self.track)
        self._bar(pygame.Rect(0, height - bar, width, bar))
        if self.help:
            self._help()

    def step_at(self, at: tuple[int, int]) -> int:
        """The demonstration's timestep at a place on its track."""
        found = self.viewer.view.demonstration
        share = min(max((at[0] - self.track.left) / max(self.track.width, 1), 0.0), 0.999)
        return 0 if found is None else int(share * len(found.episode))

    # Live views

    def _views(self, area: pygame.Rect) -> None:
        views = self.viewer.views
        self.live = []
        if not views:
            note = self.viewer.busy or "nothing is running"
            self._canvas.text(note, self._canvas.surface.get_rect().center, 20, FAINT, "center")
        for n, view in enumerate(views):
            left = area.left + n * area.width // len(views)
            cell = pygame.Rect(left, area.top, area.width // len(views), area.height).inflate(-self._canvas.px(12), 0)
            if view.picture is None:
                continue
            place = self._compared(n, view, cell) if len(views) > 1 else self._place(view, cell)
            self._canvas.picture(view.picture, place)
            self.live.append(place)
            if view.mask.on:
                at = place.centerx, place.top + self._canvas.px(10)
                self._canvas.text(" the agent sees nothing ", at, 14, INK, "midtop", PANEL)
            if view.event is not None and view.event.done:
                self._ending(view, place)
        if views and views[0].driving and self.live:
            self._driving(self.live[0])

    def _place(self, view: View, area: pygame.Rect) -> pygame.Rect:
        assert view.picture is not None
        return fitting(view.picture.shape[1::-1], area)

    def _compared(self, number: int, view: View, cell: pygame.Rect) -> pygame.Rect:
        """One of two prompts: its name, the place of its live view, and its demonstration below; returns the place."""
        px, label = self._canvas.px, self._canvas.line_height(15) + self._canvas.px(4)
        under = px(TRACK + BARS + NOTE)
        place = self._place(view, pygame.Rect(cell.left, 0, cell.width, round(cell.height * LIVE_SHARE) - label))
        side = min(cell.width, cell.height - label - place.height - under - 2 * px(8))
        shown = self.overlays and side >= px(MIN_DEMONSTRATION)
        height = label + place.height + (px(8) + side + under if shown else 0)
        if not shown:
            place = self._place(view, pygame.Rect(cell.left, 0, cell.width, cell.height - label))
            height = label + place.height
        place.top = cell.top + (cell.height - height) // 2 + label
        name = pygame.Rect(place.left, place.top - label, cell.right - place.left, label)
        self._canvas.fitted(name, f"prompt: {prompt_label(view.prompt)}", 15, (ACCENT, WARM)[number])
        if shown:
            inset = pygame.Rect(0, place.bottom + px(8), side, side)
            inset.centerx = place.centerx
            drawn = self._sidebar.demonstration(view, inset)
            if number == 0:
                self.inset, self.track = drawn
        return place

    def _driving(self, live: pygame.Rect) -> None:
        """A frame around the world that a person drives, and the keys for it."""
        view, canvas, px = self.viewer.view, self._canvas, self._canvas.px
        pygame.draw.rect(canvas.surface, WARM, live, px(3))
        lines = [f"[{key}] {meaning}" for key, meaning in view.controller.help()]
        if view.waits:
            lines.insert(0, "waiting for your key")
        for n, line in enumerate(["you drive", *lines]):
            at = (live.left + px(8), live.top + px(8 + 17 * n))
            canvas.text(f" {line} ", at, 12, WARM if n == 0 else INK, back=PAPER)

    def _ending(self, view: View, place: pygame.Rect) -> None:
        assert view.event is not None
        word = "solved" if view.event.success else "not solved" if view.event.success is False else "over"
        text = f" {word} · return {view.event.total_reward:.2f} "
        self._canvas.text(text, (place.centerx, place.bottom - self._canvas.px(28)), 20, INK, "center", PANEL)

    # Bar and help

    def _bar(self, area: pygame.Rect) -> None:
        viewer, canvas = self.viewer, self._canvas
        pygame.draw.rect(canvas.surface, PANEL, area)
        inner = area.inflate(-canvas.px(20), -canvas.px(8))
        if self.entry is not None:
            canvas.fitted(inner, f"name of the recording (Enter, or Esc): {self.entry}|", 14, ACCENT)
            return
        if viewer.error:
            canvas.fitted(inner, f"stopped: {viewer.error}", 14, BAD)
            return
        state = "paused" if viewer.views and not viewer.playing else "? or F1 lists the keys"
        right = canvas.text(state, (inner.right, inner.top + canvas.px(2)), 13, FAINT, "topright")
        if viewer.recording:
            right = canvas.text("● recording  ", (right.left, right.top), 13, BAD, "topright")
        canvas.fitted(pygame.Rect(inner.topleft, (right.left - inner.left, inner.height)), viewer.message, 14, INK)

    def _help(self) -> None:
        """The table of keys, in two columns under the headings of their groups."""
        canvas, px = self._canvas, self._canvas.px
        rows: list[tuple[str, str]] = []  # label and help; a heading has no label
        for n, binding in enumerate(KEYS):
            if n == 0 or binding.group != KEYS[n - 1].group:
                rows.append(("", binding.group))
            rows.append((binding.label, binding.help))
        surface = canvas.surface
        starts = [n for n, (label, _) in enumerate(rows) if not label]
        half = next(n for n in starts if n >= len(rows) / 2)  # a group stays whole
        row = min(px(24), (surface.get_height() - px(40)) // (half + 1))
        box = pygame.Rect(0, 0, min(px(860), surface.get_width()), row * (half + 1))
        box.center = surface.get_rect().center
        pygame.draw.rect(surface, PAPER, box, border_radius=px(8))
        pygame.draw.rect(surface, ACCENT, box, 1, border_radius=px(8))
        for n, (label, text) in enumerate(rows):
            left, top = box.left + (n >= half) * box.width // 2, box.top + row // 2 + (n - half * (n >= half)) * row
            if label:
                canvas.text(label, (left + px(76), top), 14, ACCENT, "topright")
            line = pygame.Rect(left + px(88), top, box.width // 2 - px(96), row)
            canvas.fitted(line, text, 14, INK if label else FAINT)
