"""The agent's network, its configuration, cache, taps and checkpoint folder."""

from playground.model.checkpoint import from_pretrained, load_model, read_config, save_pretrained
from playground.model.config import PRESETS, ModelConfig, preset
from playground.model.generalist import GOAL_TOKENS, GeneralistModel, SubtaskDoneHead
from playground.model.stepping import ReadText, Stepper, warm_up
from playground.model.taps import tap, tap_names
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Cache

__all__ = [
    "GOAL_TOKENS",
    "PRESETS",
    "Cache",
    "GeneralistModel",
    "ModelConfig",
    "ReadText",
    "Stepper",
    "SubtaskDoneHead",
    "TokenBatch",
    "from_pretrained",
    "load_model",
    "preset",
    "read_config",
    "save_pretrained",
    "tap",
    "tap_names",
    "warm_up",
]
