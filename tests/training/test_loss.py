"""The loss, and whether it can be learnt from, with the tiny model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from playground.agent import read_prompt
from playground.collecting.experts import expert_episode
from playground.model import GeneralistModel, preset
from playground.prompt import Prompt
from playground.training.collate import collate
from playground.training.dataset import TaskData
from playground.training.loss import cloning_loss
from playground.training.optimizer import MasterWeights
from tests.toy import ToyEnv, ToyExpert, toy_task
from tests.training.tiny import GOALS, NO_DECAY, sampler


def test_own_past_actions_are_hidden(data: list[TaskData]) -> None:
    """The outputs of the trunk do not depend on the actions of live steps, but do on those of the prompt."""
    batch = collate([[sampler(data).draw(data[0], np.random.default_rng(3))]], preset("tiny"))
    model = GeneralistModel(preset("tiny")).eval()
    live = batch.weight > 0
    with torch.inference_mode():
        before = model(batch.steps)
        changed = batch.steps.actions.clone()
        changed[live] = (changed[live] + 100) % 256
        same = model(replace(batch.steps, actions=changed))
        changed = batch.steps.actions.clone()
        changed[~live] = (changed[~live] + 100) % 256
        other = model(replace(batch.steps, actions=changed))
    assert torch.equal(before, same)
    assert not torch.allclose(before[live], other[live])


@pytest.mark.parametrize("layout", ["step", "flat"])
def test_sequences_of_one_row_do_not_see_each_other(data: list[TaskData], layout: str) -> None:
    """Packed into one row, sequences give the loss that they give alone."""
    draw = sampler(data, layout)
    config = draw.config
    model = GeneralistModel(config).eval()
    sequences = [draw.draw(data[0], np.random.default_rng(i)) for i in range(2)]
    sequences = [replace(s, prompt=s.prompt[:4], live=s.live[:4], weight=s.weight[:4]) for s in sequences]
    with torch.inference_mode():
        together = cloning_loss(model, collate([sequences], config))
        alone = [cloning_loss(model, collate([[s]], config)) for s in sequences]
    for whole, *parts in zip(together, *alone, strict=True):
        assert whole.item() == pytest.approx(sum(part.item() for part in parts), rel=1e-4) and whole > 0


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["step", "flat"])
def test_loss_falls_and_gradients_reach_what_is_used(data: list[TaskData], layout: str) -> None:
    torch.manual_seed(0)
    draw = sampler(data, layout)
    model = GeneralistModel(replace(preset("tiny"), layout=layout))
    masters = MasterWeights(model, NO_DECAY)
    losses, goal_losses = [], []
    for step in range(40 if layout == "step" else 12):
        total = weight = prompts = goal_loss = 0.0
        for batch in draw.step(np.random.default_rng(step)):
            action, goal = cloning_loss(model, batch)
            (action / 200 + goal / 20).backward()
            total, weight = total + action.item(), weight + float(batch.weight.sum())
            goal_loss, prompts = goal_loss + goal.item(), prompts + len(batch.goal_tokens)
        masters.update(masters.take_gradient(), 3e-3, step)
        masters.write(masters.weights)
        losses.append(total / weight)
        goal_losses.append(goal_loss / prompts)
    for found in (losses, goal_losses):
        assert np.mean(found[-5:]) < 0.9 * np.mean(found[:3])


@pytest.mark.slow
def test_a_trained_agent_predicts_the_goals_of_prompts_that_it_never_saw(data: list[TaskData]) -> None:
    torch.manual_seed(0)
    draw = sampler(data, goal_only={"grid": 1.0})
    model = GeneralistModel(draw.config)
    masters = MasterWeights(model, NO_DECAY)
    env = ToyEnv(discrete=False)
    demonstrations = [expert_episode(toy_task(False), env, ToyExpert(env), seed=99, goal=goal) for goal in GOALS]

    def predicted() -> list[str]:
        return [read_prompt(model, Prompt.from_episode(episode)).goal for episode in demonstrations]

    before = predicted()
    for step in range(150):
        for batch in draw.step(np.random.default_rng(step)):
            _, goal = cloning_loss(model, batch)
            (goal / len(batch.goal_tokens)).backward()
        masters.update(masters.take_gradient(), 3e-3, step)
        masters.write(masters.weights)
    wanted = [", ".join(f"{number:.2f}" for number in goal) for goal in GOALS]
    assert predicted() == wanted != before


def test_where_tasks_are_distilled_the_teacher_is_the_label(data: list[TaskData]) -> None:
    """A teacher that is equal to the model leaves it where it is; the experts' actions, and another teacher, do not."""
    torch.manual_seed(1)
    model, other = GeneralistModel(preset("tiny")), GeneralistModel(preset("tiny")).eval()
    before = GeneralistModel(preset("tiny")).eval()
    before.load_state_dict(model.state_dict())

    sequences = [[sampler(data).draw(task, np.random.default_rng(i))] for i, task in enumerate(data * 2)]

    def pull(teacher: GeneralistModel | None) -> float:
        """The gradient's norm."""
        model.zero_grad()
        sum(cloning_loss(model, collate(sequences, preset("tiny")), teacher)).backward()
        return torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm().item()

    assert pull(before) < 1e-3 * pull(None)
    assert pull(other) > 10 * pull(before)
