"""A panel of a page: a session by its task's and its agent's names, and how the agent reads its prompt."""

from typing import Any

from playground.api import make_policy, open_session
from playground.prompt import Prompt
from playground.viewing.panel import Panel
from playground.viewing.readouts import readouts
from playground.web.demonstration_store import MAX_OWN_STEPS
from playground.web.prompt_info import prompt_info


class PagePanel(Panel):
    """One session of a visitor, in a world of its own.

    Args:
        task: task id.
        agent: who acts.
        prompt: the prompt of the first episode.
        seed: start of the first episode, as a person gives it.
        checkpoint: checkpoint folder; None takes the shipped one.
        size: width of pictures.
    """

    def __init__(self, task: str, agent: str, prompt: Prompt | None, seed: int, checkpoint: str | None, size: int):
        super().__init__(open_session(task, agent, prompt, seed, None, checkpoint, size), seed, MAX_OWN_STEPS)
        self._agent, self._checkpoint = agent, checkpoint
        self._info: dict[str, Any] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What this prompt is made of and how the agent reads it, see `prompt_info`."""
        if self._info is None:
            self._info = prompt_info(self.session.prompt, self._agent, self.mask.policy)
        return self._info

    def readouts(self) -> dict[str, Any]:
        """How the episode stands and what happened in it, in JSON's terms."""
        return {"prompt": self.prompt, "history": self.history, "touched": self.touched, **readouts(self.session)}

    def swap(self, prompt: Prompt | None) -> None:
        """Another prompt from the next step on; the world stays."""
        super().swap(prompt)
        self._info = None

    def switch_agent(self, agent: str, seed: int) -> None:
        """Another agent takes over at the next step."""
        self.switch(make_policy(agent, self.task, self.env, seed, self._checkpoint))
        self._agent, self._info = agent, None
