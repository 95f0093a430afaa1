"""What a model looks like: one frozen dataclass, saved as config.json in the checkpoint folder, and its presets."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from playground.errors import BadFileError, BadValueError, PlaygroundError, UnknownNameError

FORMAT = 2
"""Version of config.json; raised whenever an older file would be misread."""

LAYOUTS = ("step", "flat")

MOST = {
    **dict.fromkeys(("width", "hidden", "max_prompt", "max_live", "max_live_grid", "action_bins"), 65536),
    **dict.fromkeys(("layers", "heads", "word_heads", "text_layers", "grid", "max_actions"), 512),
    **dict.fromkeys(("local_width", "max_values", "max_text"), 8192),
}
"""Upper bounds, ten times and more above the largest preset: a damaged file must not ask for all memory."""


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of the agent's network.

    Attributes:
        layout: `step` gives the trunk one position per timestep, `flat` one per token, as in the Gato paper.
        layers, heads, width, hidden: trunk depth, attention heads, width D and feed-forward width.
        local_width: channels of the grid and picture encoders (step) and of the patch encoder (flat).
        action_bins: bins of a continuous action dimension (Gato: 1024).
        max_prompt: timesteps of prompt that are trained on.
        max_live: timesteps of the running episode that the context holds before its older half is dropped.
        max_live_grid: the same in worlds of cells: where one has been in a maze matters for longer than how one moved.
        grid: largest grid of cells that an observation may hold.
        max_values: most scalar tokens in one timestep.
        max_text: most text tokens in one timestep.
        max_actions: most action tokens in one timestep.
        text_layers: blocks of the text encoder (step).
        word_heads: attention heads with which cells look for themselves in a text (step).
    """

    layout: str = "step"
    layers: int = 4
    heads: int = 4
    width: int = 256
    hidden: int = 1024
    local_width: int = 64
    action_bins: int = 256
    max_prompt: int = 64
    max_live: int = 96
    max_live_grid: int = 384
    grid: int = 7
    max_values: int = 160
    max_text: int = 96
    max_actions: int = 32
    text_layers: int = 3
    word_heads: int = 4

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UnknownNameError("layout", str(self.layout)[:40], LAYOUTS)
        for name, value in asdict(self).items():
            if name == "layout":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST[name]:
                raise BadValueError(f"model config: {name} is {value!r:.40}; give a whole number of 1 to {MOST[name]}")
        if self.width % (8 * self.heads):
            raise BadValueError(f"model config: width {self.width} is no multiple of 8 x heads {self.heads}")
        if self.local_width % self.word_heads:
            raise BadValueError(
                f"model config: local_width {self.local_width} is no multiple of word_heads {self.word_heads}"
            )

    def same_weights(self, other: "ModelConfig") -> bool:
        """Whether the weights of a model of the other configuration fit; they do not depend on the context's length."""
        return replace(other, max_live=self.max_live, max_live_grid=self.max_live_grid) == self

    def live_steps(self, grid: bool) -> int:
        """Most timesteps of the running episode that the context holds, in a world of cells or in another."""
        return self.max_live_grid if grid else self.max_live

    def to_json(self) -> dict[str, Any]:
        """The fields and the format's version, as config.json holds them."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ModelConfig":
        """Reads what `to_json` gave.

        Raises:
            BadFileError: another version, fields that this version does not know, or impossible values.
        """
        data = dict(data)
        found = data.pop("format", None)
        if found != FORMAT:
            raise BadFileError(f"config.json has format {found!r}, this version reads {FORMAT}; use a matching release")
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise BadFileError(f"config.json has unknown fields {', '.join(unknown)}; use a matching release")
        try:
            return cls(**data)
        except PlaygroundError as error:
            raise BadFileError(f"config.json is damaged: {error}") from error


_GATO = ModelConfig(layout="flat", action_bins=1024, max_live_grid=ModelConfig.max_live)
"""Where a cell is a position of its own, 384 timesteps of them would be over 50,000."""

PRESETS = {
    "tiny": ModelConfig(
        layers=2, heads=2, width=32, hidden=64, local_width=8, max_prompt=8, max_live=8, max_live_grid=8
    ),
    "small": ModelConfig(),
    "base": ModelConfig(layers=8, heads=8, width=512, hidden=2048, local_width=96),
    "gato-79m": replace(_GATO, layers=8, heads=24, width=768, hidden=3072),
    "gato-364m": replace(_GATO, layers=12, heads=12, width=1536, hidden=6144),
    "gato-1b": replace(_GATO, layers=24, heads=16, width=2048, hidden=8192),
}


def preset(name: str) -> ModelConfig:
    """A named size.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
