"""What a prompt is made of and how the agent reads it, in JSON's terms: for the page's timeline of thumbnails."""

from typing import Any

import numpy as np

from playground.api import load_model
from playground.prompt import Prompt, Segment
from playground.prompt_spec import NO_PROMPT
from playground.viewing.wrappers import MODEL_LOCK


def prompt_info(prompt: Prompt | None, agent: str, checkpoint: str | None) -> dict[str, Any]:
    """A prompt's text, its segments with their timesteps, and what the agent makes of it if it is the model.

    Returns:
        `prompt`, `segments`; and for the model `read`, the timesteps that it has room for, counted through all
        segments, `goal`, the goal that it predicts, and `ood`, how far the prompt is from what it was trained on.
    """
    if prompt is None:
        return {"prompt": NO_PROMPT, "segments": []}
    segments = [
        {
            "name": segment.name,
            "steps": segment.steps.tolist(),
            "observations": segment.use_observations,
            "actions": segment.use_actions,
        }
        for segment in prompt.segments
    ]
    reading = _reading(prompt, checkpoint) if agent == "model" else {}
    return {"prompt": prompt.name, "segments": segments, **reading}


def _reading(prompt: Prompt, checkpoint: str | None) -> dict[str, Any]:
    """Which of the timesteps the agent has room for, and what it makes of the prompt."""
    from playground.agent import fit_prompt, ood_score, predict_goal

    model = load_model(checkpoint)
    numbers = Prompt("", (Segment("", {}, np.arange(len(prompt))),))
    with MODEL_LOCK:
        score = ood_score(model, prompt, checkpoint)
        goal = predict_goal(model, prompt)
    return {
        "read": fit_prompt(numbers, model.config.max_prompt).segments[0].actions.tolist(),
        "ood": None if score is None else vars(score),
        "goal": goal,
    }
