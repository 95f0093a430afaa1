"""The agent's network, its configuration, cache, backends and checkpoint folder."""

from playground.model.backend import Backend, choose_backend, warm_up
from playground.model.checkpoint import from_pretrained, load_model, read_config, save_pretrained
from playground.model.config import PRESETS, ModelConfig, preset
from playground.model.generalist import GeneralistModel
from playground.model.heads import GOAL_TOKENS, GoalHead, SubtaskDoneHead
from playground.model.hooks import HookedModel, HookFunction, HookPoint
from playground.model.token_batch import TokenBatch
from playground.model.transformer import Cache

__all__ = [
    "GOAL_TOKENS",
    "PRESETS",
    "Backend",
    "Cache",
    "GeneralistModel",
    "GoalHead",
    "HookFunction",
    "HookPoint",
    "HookedModel",
    "ModelConfig",
    "SubtaskDoneHead",
    "TokenBatch",
    "choose_backend",
    "from_pretrained",
    "load_model",
    "preset",
    "read_config",
    "save_pretrained",
    "warm_up",
]
