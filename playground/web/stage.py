"""The stage of one visitor: one to four panels in step, what moves them, and the commands that the page may give.

Everything here happens in the visitor's one thread.
"""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from playground.episode import Episode
from playground.errors import BadValueError, UnknownNameError
from playground.facade import world_seed
from playground.viewing.catalogue import NO_PROMPT
from playground.viewing.reel import Painter, jpeg
from playground.web.driving import Controls
from playground.web.library import Library
from playground.web.made import made
from playground.web.outbox import Outbox
from playground.web.panel import Panel
from playground.web.prompts import Recipe
from playground.web.readouts import distribution, divergence_bits, rates, readouts
from playground.web.videos import Videos

if TYPE_CHECKING:
    from playground.agent import Agent

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FASTEST = "max"
MAX_PANELS = 4
MAX_PLAN = 64
MAX_STRIPS = 64
LIVE_FPS = 60.0
THOUGHT_SECONDS = 0.15
"""How often the page is told what the agent thinks; looking at its attention costs about as much as a decision."""


class Stage:
    """Panels and controls.

    Args:
        agent: who acts.
        checkpoint: checkpoint folder; None takes the shipped one.
        painter: draws demonstrations.
        size: width of pictures.
        outbox: where news go.
        library: where demonstrations are found.
        folder: makes, when first called, a folder for the visitor's files.
    """

    def __init__(
        self,
        agent: str,
        checkpoint: str | None,
        painter: Painter,
        size: int,
        outbox: Outbox,
        library: Library,
        folder: Callable[[], Path],
    ):
        self._agent, self._checkpoint, self._painter, self._size = agent, checkpoint, painter, size
        self._outbox, self._library = outbox, library
        self.panels: list[Panel] = []
        self.playing, self.due = True, 0.0
        self.error = self.busy = ""
        self.videos = Videos(folder, lambda name: outbox.tell({"kept": name}))
        self._speed: float | str = 1.0
        self._seed = 0
        self._plan: list[tuple[int, str]] = []
        self._controls: Controls | None = None
        self._driving = False
        self._held: list[str] = []
        self._ticks: deque[tuple[float, bool]] = deque(maxlen=2000)
        self._drawn_at = self._thought_at = 0.0

    # Time

    @property
    def ready(self) -> bool:
        """Whether time passes: something is on, nobody paused it, and no person's turn is awaited."""
        waits = self._driving and self._controls is not None and self._controls.turns
        return self.playing and bool(self.panels) and (not waits or all(panel.over for panel in self.panels))

    @property
    def pace(self) -> float:
        """Seconds from one step to the next."""
        if isinstance(self._speed, str):
            return 0.0
        return 1 / (self.panels[0].task.fps * self._speed)

    @property
    def over(self) -> bool:
        """Whether the episode has ended in every panel."""
        return all(panel.over for panel in self.panels)

    def step(self, pressed: str | None = None) -> None:
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
                    panel.step(self._driven(pressed) if panel is main else None)
                    if panel.over and panel.frame is None:
                        panel.frame = panel.env.render()
        if self.videos.full:
            self.videos.stop()
        self.error = ""
        self._ticks.append((perf_counter(), main.frame is not None))
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
        self._seed = readouts(main)["seed"]

    def _follow_plan(self) -> None:
        main = self.panels[0]
        while self._plan and main.last is not None and self._plan[0][0] <= main.last.t:
            main.swap(self._plan.pop(0)[1])
            self._watch()

    def _driven(self, pressed: str | None) -> Any:
        if not self._driving or self._controls is None:
            return None
        return self._controls.action([pressed] if pressed else self._held)

    # News

    def _draws(self) -> bool:
        """Whether to draw the next step: the page has taken the last pictures and it is time, or nothing follows."""
        if not self.playing or self.videos.recording:
            return True
        return perf_counter() - self._drawn_at >= 0.9 / LIVE_FPS and not self._outbox.picture_waits

    def publish(self) -> None:
        """Tells the page how things stand, with the pictures that were drawn since."""
        pictures = {n: jpeg(panel.frame) for n, panel in enumerate(self.panels) if panel.frame is not None}
        for panel in self.panels:
            panel.frame = None
        now = perf_counter()
        if pictures:
            self._drawn_at = now
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
                "max_steps": main.task.max_steps,
                "fps": main.task.fps,
                "blind": main.eyes.on,
                "camera": main.env.camera,
                **readouts(main),
                **(rates(self._ticks, main.task.fps) if self._ticks else {"ratio": None, "drawn_fps": None}),
                "others": [self._beside(panel) for panel in others],
            }
            if not self.ready or now - self._thought_at > THOUGHT_SECONDS:
                self._thought_at = now
                state["thoughts"] = self._thoughts(main)
        self._outbox.show(state, pictures)

    def _beside(self, panel: Panel) -> dict[str, Any]:
        mine, other = self.panels[0].last, panel.last
        apart = None
        if mine is not None and other is not None and mine.t == other.t:
            apart = divergence_bits(mine.decision, other.decision)
        return readouts(panel) | {"divergence": apart}

    def _thoughts(self, panel: Panel) -> dict[str, Any]:
        attention = None
        if self._agent == "model":
            from playground.agent.attention import prompt_attention

            found = prompt_attention(cast("Agent", panel.eyes.policy))
            attention = None if found is None else found.round(4).tolist()
        return {"distribution": distribution(panel.last), "attention": attention}

    def _watch(self) -> None:
        """Sends the demonstrations of the prompts, and what these are made of."""
        recipes = [Recipe.parse(panel.prompt) for panel in self.panels]
        names = dict.fromkeys(cut.name for recipe in recipes for cut in recipe.cuts)
        self._outbox.watch([self._painter.reel(name, self._library.find(name)) for name in names])
        parts = [made(panel.prompt, self._library, self._agent, self._checkpoint) for panel in self.panels]
        self._outbox.tell({"made": parts})

    # Commands

    def obey(self, message: dict[str, Any]) -> None:
        """Carries out what the page asks for.

        Raises:
            PlaygroundError: it cannot be had; what was on goes on.
        """
        for key, value in message.items():
            match key, value:
                case "open", dict():
                    self._open(value)
                case "prompt", str():
                    self._panel(message.get("panel", 0)).swap(value)
                    self._plan, self.error = [], ""
                    self._watch()
                case "panel", int():
                    pass  # said with "prompt"
                case "greet", True:
                    self._greet()
                case "compare", str():
                    self._compare(value)
                case "drop", int():
                    self._drop(value)
                case "agent", str():
                    self._switch(value)
                case "playing", bool():
                    self.playing, self.due = value, perf_counter()
                case "step", _:
                    self.playing = False
                    self._need_panels()
                    self.step()
                case "reset", bool() | int():
                    self._need_panels()
                    self._plan = []
                    self.reset(None if isinstance(value, bool) else value)
                    self.due = perf_counter() + self.pace
                case "speed", int() | float() | str() if value in (*SPEEDS, FASTEST):
                    self._speed, self.due = value, perf_counter()
                    self._ticks.clear()
                case "drive", bool():
                    self._driving, self._held = value, []
                case "held", list():
                    self._held = [str(key) for key in value[:8]]
                case "press", str():
                    self._press(value)
                case "grab", [int() | float() as x, int() | float() as y]:
                    if not self._panel(0).grab(x, y):
                        self._outbox.tell({"missed": True})
                case "drag", [int() | float() as x, int() | float() as y]:
                    self._panel(0).env.drag(x, y)
                case "release", True:
                    self._panel(0).env.release()
                case "camera", str():
                    self._look(value)
                case "push", True:
                    self._need_panels()
                    for panel in self.panels:
                        panel.push()
                case "blind", bool():
                    for panel in self.panels:
                        panel.eyes.on = value
                case "record", bool():
                    self.videos.start(self._panel(0)) if value else self.videos.stop()
                case "take", True:
                    self.add_own([self.recording()])
                case "strips", list():
                    wanted = {str(name): self._library.find(str(name)) for name in value[:MAX_STRIPS]}
                    self._outbox.want(self._painter.strips(wanted))
                case _:
                    raise BadValueError(f"the page asked for {key} = {value!r:.80}, which there is not; reload it")
        self.publish()

    def recording(self) -> Episode:
        """The first panel's running episode so far.

        Raises:
            BadValueError: too little has happened.
        """
        self._need_panels()
        return self.panels[0].recording()

    def add_own(self, episodes: Sequence[Episode]) -> None:
        """Adds demonstrations of the visitor's own to the gallery."""
        names = self._library.add(episodes)
        self._outbox.tell({"own": list(self._library.own), "new": names})

    def close(self) -> None:
        """Closes every world and finishes a video."""
        self.videos.stop()
        for panel in self.panels:
            panel.close()
        self.panels = []

    def _open(self, wish: dict[str, Any]) -> None:
        """Another world, perhaps with its story; built before the old one goes, so that a failure changes nothing."""
        task, prompts = str(wish.get("task")), wish.get("prompts") or [NO_PROMPT]
        plan, seed = wish.get("plan", []), wish.get("seed", self._seed)
        agent = str(wish.get("agent", self._agent))
        try:
            seed, swaps = int(seed), [(int(t), str(text)) for t, text in plan[:MAX_PLAN]]
            prompts = [str(prompt) for prompt in prompts[:MAX_PANELS]]
        except (TypeError, ValueError) as error:
            raise BadValueError(f"the link asks for {str(wish)[:120]}, which there is not ({error})") from error
        for _, text in swaps:
            Recipe.parse(text).build(self._library.find)
        self.busy = f"building {task} …"
        self.publish()
        panels: list[Panel] = []
        try:
            for prompt in prompts:
                panels.append(Panel(task, agent, prompt, seed, self._checkpoint, self._size, self._library))
        except BaseException:
            for panel in panels:
                panel.close()
            raise
        finally:
            self.busy = ""
        self.close()
        self._outbox.forget_pictures()
        self.panels, self._agent, self._plan, self._seed = panels, agent, sorted(swaps), seed
        self._begin()

    def _begin(self) -> None:
        """After other panels: tells the page of them and starts them."""
        main = self.panels[0]
        self._controls = Controls.of(main.env)
        self._driving, self._held, self.error = False, [], ""
        self._greet()
        self._start_all()
        self.due = perf_counter()

    def _greet(self) -> None:
        """Tells a page what it has not seen."""
        if self._controls is not None:
            notice = {"controls": self._controls.to_json(), "cameras": self.panels[0].env.cameras}
            self._outbox.tell(notice | {"own": list(self._library.own)})
            self._watch()

    def _compare(self, prompt: str) -> None:
        """One more panel; all of them start again, so that they stay in step."""
        self._need_panels()
        if len(self.panels) == MAX_PANELS:
            raise BadValueError(f"{MAX_PANELS} prompts are compared already; drop one first")
        main = self.panels[0]
        self.busy = "building another world …"
        self.publish()
        try:
            panel = Panel(main.task.id, self._agent, prompt, self._seed, self._checkpoint, self._size, self._library)
        finally:
            self.busy = ""
        self.panels.append(panel)
        panel.eyes.on, panel.env.camera = main.eyes.on, main.env.camera
        self._plan = []
        for one in self.panels:
            one.reset(world_seed(self._seed))
        self.videos.stop()
        self._begin()

    def _look(self, camera: str) -> None:
        """Pictures from another place, in every panel."""
        main = self._panel(0)
        if camera not in main.env.cameras:
            raise UnknownNameError("camera", camera, main.env.cameras)
        for panel in self.panels:
            panel.env.camera = camera
            if not self.playing:
                panel.frame = panel.env.render()

    def _drop(self, number: int) -> None:
        panel = self._panel(number)
        if len(self.panels) == 1:
            raise BadValueError("the last panel stays; open another task in its place")
        self.videos.stop()
        self.panels.remove(panel)
        panel.close()
        self._outbox.forget_pictures()
        self._watch()

    def _switch(self, agent: str) -> None:
        for panel in self.panels:
            panel.switch(agent, self._seed)
        self._agent, self.error = agent, ""
        if self.panels:
            self._watch()

    def _press(self, key: str) -> None:
        if not self._driving or self._controls is None or key not in self._controls.keys:
            return
        self.step(key)

    def _panel(self, number: Any) -> Panel:
        self._need_panels()
        if not isinstance(number, int) or not 0 <= number < len(self.panels):
            raise BadValueError(f"there is no panel {number!r}; there are {len(self.panels)}")
        return self.panels[number]

    def _need_panels(self) -> None:
        if not self.panels:
            raise BadValueError("no world is open; choose a task")
