"""What a page is told: how its panels stand, their newest pictures, and what the agent thinks.

Everything here happens in the visitor's one thread.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from playground.api import load_model
from playground.tokens.timestep import TimestepSpec
from playground.viewing.clips import RenderWorker, jpeg
from playground.viewing.controllers import controls_json
from playground.viewing.lockstep import Lockstep
from playground.viewing.readouts import distribution, divergence_bits, rates
from playground.viewing.wrappers import MODEL_LOCK
from playground.web.demonstration_store import DemonstrationStore
from playground.web.outbox import Outbox
from playground.web.panel import PagePanel

if TYPE_CHECKING:
    from playground.agent import Agent

MOST_FPS, LEAST_FPS = 60.0, 16.0
"""Pictures per second of a world that keeps its time, and those that even one that falls behind is drawn with."""

LATE_SECONDS = 0.15
"""How late a step may be; if one is later, pictures become rarer, else more frequent again."""

AGENT_VIEW_SECONDS = 0.15
"""How often the page is told what the agent thinks; looking at its attention costs about as much as a decision."""


class Publisher:
    """Fills a page's outbox from its panels, as fast as the page takes pictures.

    Args:
        lockstep: the panels.
        checkpoint: checkpoint folder; None takes the shipped one.
        worker: renders demonstrations.
        outbox: where news go.
        store: where demonstrations are found.
    """

    def __init__(
        self,
        lockstep: Lockstep[PagePanel],
        checkpoint: str | None,
        worker: RenderWorker,
        outbox: Outbox,
        store: DemonstrationStore,
    ):
        self._lockstep, self._checkpoint = lockstep, checkpoint
        self._worker, self._outbox, self._store = worker, outbox, store
        self._drawn_at = self._agent_view_at = 0.0
        self._gap = 1 / MOST_FPS

    def wants_picture(self) -> bool:
        """Whether to draw the next step: the page has taken the last pictures and it is time, or nothing follows."""
        steps, now = self._lockstep, perf_counter()
        if not steps.playing:
            return True
        if now - self._drawn_at < 0.9 * self._gap or self._outbox.picture_waits:
            return False
        late = not isinstance(steps.speed, str) and now - steps.due > LATE_SECONDS
        self._gap = min(1 / LEAST_FPS, 1.1 * self._gap) if late else max(1 / MOST_FPS, 0.95 * self._gap)
        self._drawn_at = now
        return True

    def publish(self, agent: str, status: dict[str, Any]) -> None:
        """Tells the page how things stand, with the pictures that were drawn since.

        Args:
            agent: who acts.
            status: what else is so.
        """
        steps, panels = self._lockstep, self._lockstep.panels
        pictures = {}
        for n, panel in enumerate(panels):
            if panel.fresh and panel.picture is not None:
                pictures[n] = jpeg(panel.picture)
            panel.fresh = False
        state: dict[str, Any] = {"agent": agent, "playing": steps.playing, "speed": steps.speed, **status}
        state["driving"] = bool(panels) and steps.main.driving
        if panels:
            main, *others = panels
            state |= {
                "task": main.task.id,
                "fps": main.task.fps,
                "blind": main.mask.on,
                "camera": main.env.camera,
                **main.readouts(),
                **rates(main.ticks, main.task.fps),
                "others": [self._beside(panel) for panel in others],
            }
            now = perf_counter()
            if not steps.ready or now - self._agent_view_at > AGENT_VIEW_SECONDS:
                self._agent_view_at = now
                state["agent_view"] = self._agent_view(main, agent)
        self._outbox.show(state, pictures)

    def tell_prompts(self) -> None:
        """Sends the demonstrations of the prompts, and what these are made of."""
        panels = self._lockstep.panels
        prompts = [panel.session.prompt for panel in panels]
        names = dict.fromkeys(part.name for prompt in prompts if prompt is not None for part in prompt.segments)
        self._outbox.watch([self._worker.clip(name, self._store.find(name).episode) for name in names])
        self._outbox.tell({"prompt_info": [panel.info for panel in panels]})

    def tell_world(self, agent: str) -> None:
        """Tells a page what it has not seen of the world, if one is open: its keys, its cameras, its prompts."""
        if not self._lockstep.panels:
            return
        main = self._lockstep.main
        notice = {"controls": controls_json(main.env, main.controller), "cameras": main.env.cameras}
        self._outbox.tell(notice | {"own": list(self._store.own), "room": self._room(agent)})
        self.tell_prompts()

    def tell_own(self, new: Sequence[str]) -> None:
        """Tells of demonstrations of the visitor's own."""
        self._outbox.tell({"own": list(self._store.own), "new": list(new)})

    def _beside(self, panel: PagePanel) -> dict[str, Any]:
        mine, other = self._lockstep.main.event, panel.event
        apart = None
        if mine is not None and other is not None and mine.t == other.t:
            apart = divergence_bits(mine.decision, other.decision)
        return panel.readouts() | {"divergence": apart}

    def _agent_view(self, panel: PagePanel, agent: str) -> dict[str, Any]:
        attention = None
        if agent == "model":
            with MODEL_LOCK:
                found = cast("Agent", panel.policy).attention()
            attention = None if found is None else found.round(4).tolist()
        return {"distribution": distribution(panel.event), "attention": attention}

    def _room(self, agent: str) -> int:
        """Timesteps that the agent's context holds, prompt included."""
        if agent != "model":
            return 0
        env, config = self._lockstep.main.env, load_model(self._checkpoint).config
        spec = TimestepSpec.from_spaces(env.observation_space, env.action_space)
        return config.max_prompt + config.live_steps(spec.grid)
