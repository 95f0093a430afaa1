"""Settings of what collects data are data: they survive JSON, and an assignment changes them."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from playground.collecting.corrections import DaggerSettings
from playground.collecting.takeover import TakeoverSettings
from playground.settings import assign, read_settings
from playground.training.done_head import DoneHeadSettings


@pytest.mark.parametrize("settings", [DaggerSettings(worlds=3), TakeoverSettings(noise=(0.5,)), DoneHeadSettings()])
def test_settings_survive_json(settings: Any) -> None:
    assert read_settings(type(settings), json.loads(json.dumps(asdict(settings)))) == settings


def test_settings_are_assigned() -> None:
    assert assign(DaggerSettings(), ["switch_interval=5,20"]).switch_interval == (5, 20)
    assert assign(TakeoverSettings(), ["noise=0,0.3"]).noise == (0.0, 0.3)
    assert assign(TakeoverSettings(), ["noise=0.3"]).noise == (0.3,)
    assert assign(DoneHeadSettings(), ['levels={"babyai/GoToSeq": 1}']).levels == {"babyai/GoToSeq": 1.0}
    assert assign(DoneHeadSettings(), ["levels.babyai/GoToSeq=1"]).levels == {
        **DoneHeadSettings().levels,
        "babyai/GoToSeq": 1.0,
    }
