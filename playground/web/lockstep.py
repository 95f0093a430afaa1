"""One to four panels in step, what moves them, and what their page is told.

Everything here happens in the visitor's one thread.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from playground.api import world_seed
from playground.prompt import Prompt
from playground.task import Action
from playground.viewing.controllers import Controller
from playground.viewing.readouts import distribution, divergence_bits, rates
from playground.viewing.reel import Painter, jpeg
from playground.viewing.wrappers import MODEL_LOCK
from playground.web.demonstration_store import DemonstrationStore
from playground.web.outbox import Outbox
from playground.web.panel import Panel
from playground.web.videos import Videos

if TYPE_CHECKING:
    from playground.agent import Agent

MOST_FPS, LEAST_FPS = 60.0, 16.0
"""Pictures per second of a world that keeps its time, and those that even one that falls behind is drawn with."""

LATE_SECONDS = 0.15
"""How late a step may be; if one is later, pictures become rarer, else more frequent again."""

END_PAUSE_SECONDS = 1.2
"""How long the end of an episode is shown, at real time."""

THOUGHT_SECONDS = 0.15
"""How often the page is told what the agent thinks; looking at its attention costs about as much as a decision."""


class Lockstep:
    """Panels that start together and step together, drawn as fast as their page takes pictures.

    Args:
        agent: who acts.
        checkpoint: checkpoint folder; None takes the shipped one.
        painter: draws demonstrations.
        size: width of pictures.
        outbox: where news go.
        store: where demonstrations are found.
        folder: makes, when first called, a folder for the visitor's files.
    """

    def __init__(
        self,
        agent: str,
        checkpoint: str | None,
        painter: Painter,
        size: int,
        outbox: Outbox,
        store: DemonstrationStore,
        folder: Callable[[], Path],
    ):
        self._agent, self._checkpoint, self._painter, self._size = agent, checkpoint, painter, size
        self._outbox, self._store = outbox, store
        self.panels: list[Panel] = []
        self.playing, self.due = True, 0.0
        self.error = self.busy = ""
        self.videos = Videos(folder, lambda name: outbox.tell({"kept": name}))
        self._speed: float | str = 1.0
        self._seed = 0
        self._plan: list[tuple[int, Prompt | None]] = []
        self._controller: Controller | None = None
        self._driving = False
        self._ticks: deque[tuple[float, bool]] = deque(maxlen=2000)
        self._drawn_at = self._thought_at = 0.0
        self._gap = 1 / MOST_FPS

    # Time

    @property
    def ready(self) -> bool:
        """Whether time passes: something is on, nobody paused it, and no person's turn is awaited."""
        waits = self._driving and self._controller is not None and self._controller.turn_based
        return self.playing and bool(self.panels) and (not waits or all(panel.over for panel in self.panels))

    @property
    def pace(self) -> float:
        """Seconds from one step to the next."""
        if isinstance(self._speed, str):
            return 0.0
        return 1 / (self.panels[0].task.fps * self._speed)

    @property
    def end_pause(self) -> float:
        """Seconds from the end of an episode to the start of the next."""
        return 0.0 if isinstance(self._speed, str) else END_PAUSE_SECONDS / max(1.0, self._speed)

    @property
    def over(self) -> bool:
        """Whether the episode has ended in every panel."""
        return all(panel.over for panel in self.panels)

    def step(self) -> None:
        """One step of every panel whose episode still runs; of all, once every episode has ended."""
        main = self.panels[0]
        draw = self._draws()
        for panel in self.panels:
            panel.draws = draw
        if main.last is None or self.over:
            self._start_all()
        else:
            self._follow_plan()
            for panel in self.panels:
                if not panel.over:
                    panel.step(self._driven() if panel is main else None)
                    if panel.over and panel.frame is None:
                        panel.frame = panel.env.render()
        if self.videos.full:
            self.videos.stop()
        self.error = ""
        self._ticks.append((perf_counter(), main.frame is not None))
        if main.frame is not None or not self.ready or self.over:
            self.publish()

    def reset(self, seed: int | None = None) -> None:
        """The same start again, or another, in every panel."""
        start = None if seed is None else world_seed(seed)
        for panel in self.panels:
            panel.reset(start)
        self._start_all()
        self.publish()

    def _start_all(self) -> None:
        """Starts an episode everywhere: the first panel's goal is the world's goal for all."""
        main, *others = self.panels
        self._ticks.clear()
        main.draws = True
        event = main.step()
        for panel in others:
            panel.draws = True
            panel.reset(event.seed, event.goal)
            panel.step()
        self._seed = main.readouts()["seed"]

    def _follow_plan(self) -> None:
        main = self.panels[0]
        while self._plan and main.last is not None and self._plan[0][0] <= main.last.t:
            main.swap(self._plan.pop(0)[1])
            self._watch()

    def _driven(self) -> Action | None:
        """What a person does; None where the agent acts."""
        return self._controller.take() if self._driving and self._controller is not None else None

    # News

    def _draws(self) -> bool:
        """Whether to draw the next step: the page has taken the last pictures and it is time, or nothing follows."""
        if not self.playing or self.videos.recording:
            return True
        now = perf_counter()
        if now - self._drawn_at < 0.9 * self._gap or self._outbox.picture_waits:
            return False
        late = not isinstance(self._speed, str) and now - self.due > LATE_SECONDS
        self._gap = min(1 / LEAST_FPS, 1.1 * self._gap) if late else max(1 / MOST_FPS, 0.95 * self._gap)
        self._drawn_at = now
        return True

    def publish(self) -> None:
        """Tells the page how things stand, with the pictures that were drawn since."""
        pictures = {n: jpeg(panel.frame) for n, panel in enumerate(self.panels) if panel.frame is not None}
        for panel in self.panels:
            panel.frame = None
        state: dict[str, Any] = {
            "agent": self._agent,
            "playing": self.playing,
            "speed": self._speed,
            "error": self.error,
            "busy": self.busy,
            "driving": self._driving,
            "recording": self.videos.recording,
        }
        if self.panels:
            main, *others = self.panels
            state |= {
                "task": main.task.id,
                "fps": main.task.fps,
                "blind": main.mask.on,
                "camera": main.env.camera,
                **main.readouts(),
                **rates(self._ticks, main.task.fps),
                "others": [self._beside(panel) for panel in others],
            }
            now = perf_counter()
            if not self.ready or now - self._thought_at > THOUGHT_SECONDS:
                self._thought_at = now
                state["thoughts"] = self._thoughts(main)
        self._outbox.show(state, pictures)

    def _beside(self, panel: Panel) -> dict[str, Any]:
        mine, other = self.panels[0].last, panel.last
        apart = None
        if mine is not None and other is not None and mine.t == other.t:
            apart = divergence_bits(mine.decision, other.decision)
        return panel.readouts() | {"divergence": apart}

    def _thoughts(self, panel: Panel) -> dict[str, Any]:
        attention = None
        if self._agent == "model":
            with MODEL_LOCK:
                found = cast("Agent", panel.mask.policy).attention()
            attention = None if found is None else found.round(4).tolist()
        return {"distribution": distribution(panel.last), "attention": attention}

    def _watch(self) -> None:
        """Sends the demonstrations of the prompts, and what these are made of."""
        prompts = [panel.session.prompt for panel in self.panels]
        names = dict.fromkeys(part.name for prompt in prompts if prompt is not None for part in prompt.segments)
        self._outbox.watch([self._painter.reel(name, self._store.find(name).episode) for name in names])
        self._outbox.tell({"made": [panel.info for panel in self.panels]})

    def close(self) -> None:
        """Closes every world and finishes a video."""
        self.videos.stop()
        for panel in self.panels:
            panel.close()
        self.panels = []
