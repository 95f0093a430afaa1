"""The stage of one visitor: the commands that its page may give, carried out on panels in step.

Everything here happens in the visitor's one thread.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from playground.api import load_model, world_seed
from playground.episode import Episode
from playground.errors import BadValueError, UnknownNameError
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.tokens.timestep import TimestepSpec
from playground.viewing.controllers import controller_for, controls_json
from playground.web.lockstep import Lockstep
from playground.web.panel import Panel

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
FASTEST = "max"
MAX_PANELS = 4
MAX_PLAN = 64
MAX_STRIPS = 64
MAX_HELD = 8
"""Keys that a person may hold at once."""


class Stage(Lockstep):
    """Panels in step that obey."""

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
                    self._panel(message.get("panel", 0)).swap(self._store.prompt(value))
                    self._plan, self.error = [], ""
                    self._watch()
                case "panel", int():
                    pass  # said with "prompt"
                case "plan", list():
                    self._plan = self._swaps(value)
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
                    self._drive(value)
                case "held", list():
                    if self._controller is not None:
                        self._controller.hold(map(str, value[:MAX_HELD]))
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
                        panel.mask.on = value
                case "record", bool():
                    self.videos.start(self._panel(0)) if value else self.videos.stop()
                case "take", True:
                    self.add_own([self.recording()])
                case "strips", list():
                    wanted = {str(name): self._store.find(str(name)).episode for name in value[:MAX_STRIPS]}
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
        names = self._store.add(episodes)
        self._outbox.tell({"own": list(self._store.own), "new": names})

    def _open(self, wish: dict[str, Any]) -> None:
        """Another world, perhaps with its story; built before the old one goes, so that a failure changes nothing."""
        task, texts = str(wish.get("task")), wish.get("prompts") or [NO_PROMPT]
        agent, swaps = str(wish.get("agent", self._agent)), self._swaps(wish.get("plan", []))
        try:
            seed = int(wish.get("seed", self._seed))
            texts = [str(text) for text in texts[:MAX_PANELS]]
        except (TypeError, ValueError) as error:
            raise BadValueError(f"the link asks for {str(wish)[:120]}, which there is not ({error})") from error
        prompts = [self._store.prompt(text) for text in texts]
        self.busy = f"building {task} …"
        self.publish()
        panels: list[Panel] = []
        try:
            for prompt in prompts:
                panels.append(Panel(task, agent, prompt, seed, self._checkpoint, self._size))
        except BaseException:
            for panel in panels:
                panel.close()
            raise
        finally:
            self.busy = ""
        self.close()
        self._outbox.forget_pictures()
        self.panels, self._agent, self._plan, self._seed = panels, agent, swaps, seed
        self._begin()

    def _swaps(self, plan: Any) -> list[tuple[int, Prompt | None]]:
        """Swaps that are to come: (t, prompt), in the order of time."""
        try:
            swaps = sorted((int(t), str(text)) for t, text in plan[:MAX_PLAN])
        except (TypeError, ValueError) as error:
            raise BadValueError(f"swaps {str(plan)[:120]} are none ({error})") from error
        return [(t, self._store.prompt(text)) for t, text in swaps]

    def _begin(self) -> None:
        """After other panels: tells the page of them and starts them."""
        main = self.panels[0]
        self._controller, self._driving, self.error = controller_for(main.env), False, ""
        self._greet()
        self._start_all()
        self.due = perf_counter()

    def _greet(self) -> None:
        """Tells a page what it has not seen."""
        if self._controller is not None:
            env = self.panels[0].env
            notice = {"controls": controls_json(env, self._controller), "cameras": env.cameras}
            self._outbox.tell(notice | {"own": list(self._store.own), "room": self._room()})
            self._watch()

    def _room(self) -> int:
        """Timesteps that the agent's context holds, prompt included."""
        if self._agent != "model":
            return 0
        env, config = self.panels[0].env, load_model(self._checkpoint).config
        return config.max_prompt + config.live_steps(
            TimestepSpec.from_spaces(env.observation_space, env.action_space).grid
        )

    def _compare(self, text: str) -> None:
        """One more panel; all of them start again, so that they stay in step."""
        self._need_panels()
        if len(self.panels) == MAX_PANELS:
            raise BadValueError(f"{MAX_PANELS} prompts are compared already; drop one first")
        main, prompt = self.panels[0], self._store.prompt(text)
        self.busy = "building another world …"
        self.publish()
        try:
            panel = Panel(main.task.id, self._agent, prompt, self._seed, self._checkpoint, self._size)
        finally:
            self.busy = ""
        self.panels.append(panel)
        panel.mask.on, panel.env.camera = main.mask.on, main.env.camera
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

    def _drive(self, on: bool) -> None:
        """The person drives the first panel, or the agent does again."""
        self._driving = on
        if self._controller is not None:
            self._controller.clear()

    def _press(self, key: str) -> None:
        """A key was pressed where the world waits for the person: one step."""
        if not self._driving or self._controller is None or key not in self._controller.keys:
            return
        self._controller.press(key)
        self._controller.release(key)
        self.step()

    def _panel(self, number: Any) -> Panel:
        self._need_panels()
        if not isinstance(number, int) or not 0 <= number < len(self.panels):
            raise BadValueError(f"there is no panel {number!r}; there are {len(self.panels)}")
        return self.panels[number]

    def _need_panels(self) -> None:
        if not self.panels:
            raise BadValueError("no world is open; choose a task")
