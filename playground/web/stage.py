"""The stage of one visitor: the commands that its page may give, carried out on panels in step.

Everything here happens in the visitor's one thread.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playground.api import world_seed
from playground.episode import Episode
from playground.errors import DAMAGED, BadValueError
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.task import EVALUATION_SEEDS
from playground.viewing.clips import RenderWorker
from playground.viewing.lockstep import FASTEST, MAX_PANELS, SPEEDS, Lockstep
from playground.web.demonstration_store import DemonstrationStore
from playground.web.outbox import Outbox
from playground.web.panel import PagePanel
from playground.web.publisher import Publisher
from playground.web.videos import Videos

MAX_SWAPS = 64
"""Scheduled swaps of one link."""

MAX_THUMBNAILS = 64
MAX_HELD = 8
"""Keys that a person may hold at once."""


class Stage:
    """Panels in step that obey a page.

    Args:
        agent: who acts.
        checkpoint: checkpoint folder; None takes the shipped one.
        worker: renders demonstrations.
        size: width of pictures.
        outbox: where news go.
        store: where demonstrations are found.
        folder: makes, when first called, a folder for the visitor's files.

    Attributes:
        error: why the world stopped; empty while it runs.
        busy: what is being built at the moment.
    """

    def __init__(
        self,
        agent: str,
        checkpoint: str | None,
        worker: RenderWorker,
        size: int,
        outbox: Outbox,
        store: DemonstrationStore,
        folder: Callable[[], Path],
    ):
        self.lockstep = Lockstep[PagePanel]()
        self.error = self.busy = ""
        self.videos = Videos(folder, lambda name: outbox.tell({"kept": name}))
        self._agent, self._checkpoint, self._worker, self._size = agent, checkpoint, worker, size
        self._outbox, self._store = outbox, store
        self._publisher = Publisher(self.lockstep, checkpoint, worker, outbox, store)
        self._swaps: list[tuple[int, Prompt | None]] = []

    # Steps

    def tick(self) -> float | None:
        """Steps if it is time to; returns the seconds until it is again, or None if only a command changes that."""
        steps = self.lockstep
        if not steps.ready:
            return None
        steps.catch_up()
        if steps.clock() >= steps.due:
            self._before_step()
            steps.advance(self.videos.recording or self._publisher.wants_picture())
            self._stepped()
        return max(0.0, steps.due - steps.clock())

    def _step(self) -> None:
        """One step at once, drawn."""
        self._before_step()
        self.lockstep.step()
        self._stepped()

    def _before_step(self) -> None:
        """Makes the swaps that are scheduled for this step."""
        main = self.lockstep.main
        if main.over:
            return
        while self._swaps and main.event is not None and self._swaps[0][0] <= main.event.t:
            main.swap(self._swaps.pop(0)[1])
            self._publisher.tell_prompts()

    def _stepped(self) -> None:
        """After a step: tells the page, if there is a picture or nothing will follow."""
        if self.videos.full:
            self.videos.stop()
        self.error = ""
        if self.lockstep.main.fresh or not self.lockstep.ready or self.lockstep.over:
            self.publish()

    def publish(self) -> None:
        """Tells the page how things stand."""
        status = {"error": self.error, "busy": self.busy, "recording": self.videos.recording}
        self._publisher.publish(self._agent, status)

    # Commands

    def obey(self, message: dict[str, Any]) -> None:
        """Carries out what the page asks for.

        Raises:
            PlaygroundError: it cannot be had; what was on goes on.
        """
        steps = self.lockstep
        for key, value in message.items():
            match key, value:
                case "open", dict():
                    self._open(value)
                case "prompt", str():
                    self._panel(message.get("panel", 0)).swap(self._store.prompt(value))
                    self._swaps, self.error = [], ""
                    self._publisher.tell_prompts()
                case "panel", int():
                    pass  # said with "prompt"
                case "swaps", list():
                    self._swaps = self._scheduled(value)
                case "hello", True:
                    self._publisher.tell_world(self._agent)
                case "compare", str():
                    self._compare(value)
                case "drop", int():
                    self._drop(value)
                case "agent", str():
                    self._switch(value)
                case "playing", bool():
                    steps.playing, steps.due = value, steps.clock()
                case "step", _:
                    steps.playing = False
                    if not steps.main.waits:
                        self._step()
                case "reset", bool() | int():
                    self._swaps = []
                    steps.reset(None if isinstance(value, bool) else world_seed(value))
                case "rewind", int():
                    if not steps.rewind(value):
                        raise BadValueError("the world was pulled at in this episode, so it cannot be taken back")
                case "speed", int() | float() | str() if value in (*SPEEDS, FASTEST):
                    steps.set_speed(value)
                case "drive", bool():
                    steps.main.take_over() if value else steps.main.release()
                case "held", list():
                    steps.main.controller.hold(map(str, value[:MAX_HELD]))
                case "press", str():
                    self._press(value)
                case "grab", [int() | float() as x, int() | float() as y]:
                    if not steps.main.grab(x, y):
                        self._outbox.tell({"missed": True})
                case "drag", [int() | float() as x, int() | float() as y]:
                    steps.main.env.drag(x, y)
                case "release", True:
                    steps.main.env.release()
                case "camera", str():
                    steps.look(value)
                case "push", True:
                    steps.push()
                case "blind", bool():
                    steps.blindfold(value)
                case "record", bool():
                    self.videos.start(steps.main) if value else self.videos.stop()
                case "take", True:
                    self.add_own([self.recording()])
                case "thumbnails", list():
                    wanted = {str(name): self._store.find(str(name)).episode for name in value[:MAX_THUMBNAILS]}
                    self._outbox.want(self._worker.thumbnails(wanted))
                case _:
                    raise BadValueError(f"the page asked for {key} = {value!r:.80}, which there is not; reload it")
        self.publish()

    def recording(self) -> Episode:
        """The first panel's running episode so far.

        Raises:
            BadValueError: too little has happened.
        """
        return self.lockstep.main.recording()

    def add_own(self, episodes: Sequence[Episode]) -> None:
        """Adds demonstrations of the visitor's own to the gallery."""
        self._publisher.tell_own(self._store.add(episodes))

    def close(self) -> None:
        """Closes every world and finishes a video."""
        self.videos.stop()
        self.lockstep.close()

    @property
    def _seed(self) -> int:
        """The running episode's start, as a person gives it."""
        event = self.lockstep.panels[0].event if self.lockstep.panels else None
        return 0 if event is None else event.seed - EVALUATION_SEEDS.start

    def _open(self, request: dict[str, Any]) -> None:
        """Another world, perhaps with its story; built before the old one goes, so that a failure changes nothing."""
        task, texts = str(request.get("task")), request.get("prompts") or [NO_PROMPT]
        agent, swaps = str(request.get("agent", self._agent)), self._scheduled(request.get("swaps", []))
        try:
            seed = int(request.get("seed", self._seed))
            texts = [str(text) for text in texts[:MAX_PANELS]]
        except DAMAGED as error:
            raise BadValueError(f"the link asks for {str(request)[:120]}, which there is not ({error})") from error
        prompts = [self._store.prompt(text) for text in texts]
        panels: list[PagePanel] = []
        try:
            for prompt in prompts:
                panels.append(self._build(task, agent, prompt, seed))
        except BaseException:
            for panel in panels:
                panel.close()
            raise
        self.videos.stop()
        self._outbox.forget_pictures()
        self._agent, self._swaps = agent, swaps
        try:
            self.lockstep.open(panels)
        finally:  # a world that cannot be drawn is open all the same
            self._begun()

    def _build(self, task: str, agent: str, prompt: Prompt | None, seed: int) -> PagePanel:
        """A panel, and meanwhile a word to the page: building takes a moment."""
        self.busy = f"building {task} …"
        self.publish()
        try:
            return PagePanel(task, agent, prompt, seed, self._checkpoint, self._size)
        finally:
            self.busy = ""

    def _begun(self) -> None:
        """After a start of other panels: tells the page of them."""
        self.lockstep.main.release()
        self.error = ""
        self._publisher.tell_world(self._agent)

    def _scheduled(self, swaps: Any) -> list[tuple[int, Prompt | None]]:
        """Swaps that are to come: (t, prompt), in the order of time."""
        try:
            found = sorted((int(t), str(text)) for t, text in swaps[:MAX_SWAPS])
        except DAMAGED as error:
            raise BadValueError(f"swaps {str(swaps)[:120]} are none ({error})") from error
        return [(t, self._store.prompt(text)) for t, text in found]

    def _compare(self, text: str) -> None:
        """One more panel; all of them start again, so that they stay in step."""
        self.lockstep.check_room()
        panel = self._build(self.lockstep.main.task.id, self._agent, self._store.prompt(text), self._seed)
        self._swaps = []
        self.videos.stop()
        try:
            self.lockstep.compare(panel)
        finally:
            self._begun()

    def _drop(self, number: int) -> None:
        """Closes one of several panels."""
        self.videos.stop()
        self.lockstep.drop(number)
        self._outbox.forget_pictures()
        self._publisher.tell_prompts()

    def _switch(self, agent: str) -> None:
        """Another agent takes over in every panel."""
        for panel in self.lockstep.panels:
            panel.switch_agent(agent, self._seed)
        self._agent, self.error = agent, ""
        if self.lockstep.panels:
            self._publisher.tell_prompts()

    def _press(self, key: str) -> None:
        """A key was pressed where the world waits for the person: one step."""
        main = self.lockstep.main
        if main.driving and key in main.controller.keys:
            main.controller.press(key)
            main.controller.release(key)
            self._step()

    def _panel(self, number: Any) -> PagePanel:
        if not isinstance(number, int):
            raise BadValueError(f"there is no panel {number!r}; give a number")
        return self.lockstep.panel(number)
