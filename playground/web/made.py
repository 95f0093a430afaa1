"""What a prompt is made of, for the page's film strip: its demonstrations' steps, those that the agent reads, and how
strange the prompt is to it."""

from typing import Any

import numpy as np

from playground.api import load_model
from playground.prompt import Prompt, Segment
from playground.viewing.wrappers import MODEL_LOCK
from playground.web.prompts import Recipe
from playground.web.shelf import Shelf


def made(text: str, shelf: Shelf, agent: str, checkpoint: str | None) -> dict[str, Any]:
    """The prompt of that text in JSON's terms."""
    recipe = Recipe.parse(text)
    steps = recipe.steps(shelf.find)
    segments = () if steps is None else steps.segments
    return {
        "prompt": text,
        "segments": [
            {
                "name": segment.task,
                "steps": segment.actions.tolist(),
                "observations": segment.use_observations,
                "actions": segment.use_actions,
            }
            for segment in segments
        ],
        **(_as_read(recipe.build(shelf.find), len(steps), checkpoint) if steps and agent == "model" else {}),
    }


def _as_read(prompt: Prompt | None, length: int, checkpoint: str | None) -> dict[str, Any]:
    """Which of the timesteps the agent has room for, and what it makes of the prompt."""
    from playground.agent import fit_prompt, predict_goal
    from playground.agent.ood import ood_score

    model = load_model(checkpoint)
    numbers = Prompt("", (Segment("", {}, np.arange(length)),))
    with MODEL_LOCK:
        strange = ood_score(model, prompt, checkpoint)
        asked = "" if prompt is None else predict_goal(model, prompt)
    return {
        "read": fit_prompt(numbers, model.config.max_prompt).segments[0].actions.tolist(),
        "strangeness": None if strange is None else vars(strange),
        "asked": asked,
    }
