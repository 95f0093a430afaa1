import json

import pytest

from playground.errors import BadFileError
from playground.evaluation.card import write_card
from playground.model import GeneralistModel, preset, save_pretrained

TASK = {
    "episodes": 2,
    "mean_return": 0.5,
    "success_rate": 0.5,
    "random_score": 0.0,
    "expert_score": 1.0,
    "interval": [0.1, 0.9],
    "scores": [0.0, 1.0],
}


def test_card_tells_what_the_files_say(tmp_path):
    tasks = ["metaworld/reach", "classic/CartPole", "classic/Pendulum"]
    training = {"tasks": tasks, "recipe": {"minutes": 3.0}, "goals_held_out": ["metaworld/reach"]}
    save_pretrained(GeneralistModel(preset("tiny")), tmp_path, training)
    with pytest.raises(BadFileError, match="evaluate --json"):
        write_card(tmp_path)
    report = {
        "settings": {"episodes": 2, "prompt": "right"},
        "tasks": {tasks[0]: {**TASK, "normalised": 0.9}, tasks[1]: {**TASK, "normalised": 0.2}},
        "summary": {"tasks": 2, "above_50": 1, "above_80": 1, "iqm": 0.55, "interval": [0.5, 0.6]},
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(report), encoding="utf-8")
    text = write_card(tmp_path).read_text(encoding="utf-8")
    assert "3 tasks of 2 domains" in text and "* minutes: 3.0" in text
    assert "1 of 2 tasks above 50 %" in text and "0.550 [0.500, 0.600]" in text
    assert "| `metaworld/reach` | z m | 0.05 to 0.13 or 0.2 to 0.3 | 0.13 to 0.2 |" in text
    limits = text.split("## Limits")[1]
    assert "`classic/CartPole` (0.20)" in limits and "Learnt but not evaluated: `classic/Pendulum`" in limits
    assert "`metaworld/reach` (" not in limits
