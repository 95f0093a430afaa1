"""The agent's network, its configuration, cache, taps and checkpoint folder."""

from playground.model.checkpoint import from_pretrained, load_model, read_config, save_pretrained
from playground.model.config import PRESETS, ModelConfig, preset
from playground.model.generalist import ASKED, DoneReader, GeneralistModel
from playground.model.stepping import ReadText, Stepper, warm_up
from playground.model.steps import Steps
from playground.model.taps import tap, tap_names
from playground.model.transformer import Cache

__all__ = [
    "ASKED",
    "PRESETS",
    "Cache",
    "DoneReader",
    "GeneralistModel",
    "ModelConfig",
    "ReadText",
    "Stepper",
    "Steps",
    "from_pretrained",
    "load_model",
    "preset",
    "read_config",
    "save_pretrained",
    "tap",
    "tap_names",
    "warm_up",
]
