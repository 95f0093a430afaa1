"""Learning to tell what is done, on real worlds with an untrained agent."""

from pathlib import Path

import pytest
import torch

from playground import domains
from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import write_shard
from playground.errors import BadValueError
from playground.model import GeneralistModel, from_pretrained, preset, save_pretrained
from playground.training.done_head import DoneHeadSettings, fit, train_done_head


@pytest.mark.slow
def test_reader_learns_what_can_be_told() -> None:
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny"))
    outputs = torch.randn(4000, model.config.width)
    labels = outputs[:, 0] > 1.5
    fit(model.subtask_done_head, outputs[:3000].half(), labels[:3000], DoneHeadSettings())
    told = model.subtask_done_head(outputs[3000:]) > 0
    assert (told == labels[3000:]).float().mean() > 0.97 and told.any()
    assert not any(p.requires_grad for p in model.subtask_done_head.parameters())


@pytest.mark.slow
def test_only_the_reader_changes(tmp_path: Path) -> None:
    id = "babyai/OpenDoorsOrderN4"
    task = domains.task(id)
    env = task.make(64)
    episodes = [expert_episode(task, env, task.make_expert(env), seed=s, max_steps=200) for s in range(3)]
    write_shard(tmp_path / "packed" / id / "000000", episodes, task.hidden_goal, 3)
    torch.manual_seed(0)
    save_pretrained(GeneralistModel(preset("tiny")), tmp_path / "checkpoint", {"steps": 7})
    before = from_pretrained(tmp_path / "checkpoint").state_dict()
    settings = DoneHeadSettings(levels={id: 1.0}, steps=50)
    shares = train_done_head(tmp_path / "checkpoint", tmp_path / "out", 40, tmp_path / "packed", 1, settings)
    assert all(0 <= share <= 1 for share in shares)
    after = from_pretrained(tmp_path / "out").state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("subtask_done_head.") for name in changed)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(BadValueError, match="batch is 0"):
        DoneHeadSettings(batch=0)
    with pytest.raises(BadValueError, match="has no levels"):
        DoneHeadSettings(levels={})
