"""What a prompt is made of and how the agent reads it, in JSON's terms: for the page's timeline of thumbnails."""

from typing import TYPE_CHECKING, Any, cast

from playground.api import PROMPTED
from playground.events import Policy
from playground.prompt import Prompt
from playground.prompt_spec import NO_PROMPT
from playground.viewing.wrappers import MODEL_LOCK

if TYPE_CHECKING:
    from playground.agent import Agent


def prompt_info(prompt: Prompt | None, agent: str, policy: Policy) -> dict[str, Any]:
    """A prompt's text, its segments with their timesteps, and what the agent makes of it if it is the model.

    Returns:
        `prompt`, `segments`, and `reads`, whether this agent reads prompts at all; and for the model `read`, the
        timesteps that it has room for, counted through all segments, `goal`, the goal that it predicts, and `ood`, how
        far the prompt is from what it was trained on.
    """
    reads = agent in PROMPTED
    if prompt is None:
        return {"prompt": NO_PROMPT, "segments": [], "reads": reads}
    segments = [
        {
            "name": segment.name,
            "steps": segment.steps.tolist(),
            "observations": segment.use_observations,
            "actions": segment.use_actions,
        }
        for segment in prompt.segments
    ]
    reading = _reading(prompt, policy) if agent == "model" else {}
    return {"prompt": prompt.name, "segments": segments, "reads": reads, **reading}


def _reading(prompt: Prompt, policy: Policy) -> dict[str, Any]:
    """Which of the timesteps the agent has room for, and what it makes of the prompt."""
    with MODEL_LOCK:
        reading = cast("Agent", policy).read(prompt)
    return {
        "read": reading.steps.tolist(),
        "ood": None if reading.ood is None else vars(reading.ood),
        "goal": reading.goal,
    }
