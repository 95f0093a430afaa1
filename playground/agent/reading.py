"""Reading a prompt, once: everything that one pass through the trunk says about it.

Shapes: P timesteps that were read, D width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.agent.context import PromptCache, read_positions
from playground.agent.ood import OODDetector, OODScore, prompt_features
from playground.agent.preprocessing import embed_prompt, fit_prompt, fit_steps
from playground.model import GeneralistModel
from playground.prompt import Prompt
from playground.tokens.scalars import decode_continuous
from playground.tokens.text import FIRST_WORD, PADDING, WORDS, decode_text
from playground.tokens.timestep import CONTINUOUS_START, SEPARATOR


@dataclass(frozen=True)
class PromptReading:
    """What the agent read of a prompt, and what it makes of it.

    Attributes:
        steps: int64 [P], which of the prompt's timesteps were read, counted over all segments; longer prompts than the
            model has room for are strided or cut.
        prompt: these timesteps; its segments know which of their demonstrations' timesteps they are.
        goal: the predicted goal, in words or numbers, or the task's name; often wrong.
        ood: how far the prompt is from those of training; None without a detector.
        cache: keys and values, which a `Context` takes over without another pass.
    """

    steps: np.ndarray
    prompt: Prompt
    goal: str
    ood: OODScore | None
    cache: PromptCache


def read_prompt(model: GeneralistModel, prompt: Prompt, detector: OODDetector | None = None) -> PromptReading:
    """Reads a prompt in one pass.

    Args:
        model: the network.
        prompt: any prompt.
        detector: the checkpoint's, see `playground.agent.ood.load_detector`.

    Raises:
        BadFileError: the detector is of another network.
    """
    steps, fitting = fit_steps(len(prompt), model.config.max_prompt), fit_prompt(prompt, model.config.max_prompt)
    cache = read_positions(model, embed_prompt(model, fitting))
    score = None if detector is None else detector.score(prompt_features(cache.kv))
    return PromptReading(steps, fitting, predict_goal(model, cache.last), score, cache)


@torch.inference_mode()
def predict_goal(model: GeneralistModel, h: Tensor) -> str:
    """What the goal head says of the trunk's output [D] at a prompt's last position, in words or numbers."""
    tokens = model.goal_head(h[None], model.encoder.tables.token.weight[:SEPARATOR])[0].argmax(-1).cpu().numpy()
    goal = tokens[: np.append(np.flatnonzero(tokens == PADDING), len(tokens))[0]]
    numbers = goal[goal >= CONTINUOUS_START] - CONTINUOUS_START
    if len(numbers):
        return ", ".join(f"{number:.2f}" for number in decode_continuous(numbers))
    return decode_text(goal[goal < FIRST_WORD + len(WORDS)])
