"""Rows of tensors: where loss is taken, what is shown, which texts and goals there are."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from playground.collecting.experts import expert_episode
from playground.demonstrations.packed import PackedTask, write_shard
from playground.model import preset
from playground.tokens.scalars import decode_continuous
from playground.tokens.text import PADDING, decode_text
from playground.tokens.timestep import CONTINUOUS_START
from playground.training.collate import collate
from playground.training.dataset import Sequence, TaskData
from tests.toy import ToyEnv, ToyExpert, toy_task
from tests.training.tiny import GOALS, sampler


def test_loss_is_taken_on_live_steps_only(data: list[TaskData]) -> None:
    draw = sampler(data)
    sequences = [draw.draw(task, np.random.default_rng(i)) for i, task in enumerate(data * 3)]
    batch = collate([[sequence] for sequence in sequences], preset("tiny"))
    for row, sequence in enumerate(sequences):
        P, N = len(sequence.prompt), len(sequence)
        assert (batch.weight[row, :P] == 0).all() and (batch.weight[row, N:] == 0).all()
        assert (batch.weight[row, P:N] > 0).all()
        assert batch.steps.show_action[row].nonzero().ravel().tolist() == list(range(P))
    assert batch.steps.discrete[:, 0].tolist() == [False, True] * 3


def test_live_steps_without_text_have_the_words_of_the_prompts_goal(tmp_path: Path) -> None:
    env, words = ToyEnv(discrete=True), ("go to the red door", "pick up a key")
    episodes = []
    for goal, text in zip(GOALS, words, strict=False):
        for seed in range(2):
            episode = expert_episode(toy_task(True), env, ToyExpert(env), seed=seed, goal=goal)
            mute = episode.observations | {"mission": np.full(len(episode) + 1, "")}
            episodes.append(replace(episode, task="toy/mute", goal=text, observations=mute))
    write_shard(tmp_path / "toy/mute/000000", episodes, grouped=True, planned=4, loss_start=[0, 0, 0, 3])
    task = TaskData.from_packed(PackedTask.open(tmp_path, "toy/mute"), preset("tiny"))
    draw, rng = sampler([task]), np.random.default_rng(0)

    def texts(row: Sequence) -> list[str]:
        steps = collate([[row]], draw.config).steps
        assert steps.text is not None and steps.text_index is not None
        return [decode_text(steps.text[i][steps.text[i] > 0].numpy()) for i in steps.text_index[0, : len(row)]]

    drawn = [draw.draw(task, rng) for _ in range(60)]
    assert any(0 < sequence.loss_start < len(sequence.live) for sequence in drawn)
    for sequence in drawn:
        wanted = words[sequence.live_episode // 2]
        before = len(sequence.prompt) + sequence.loss_start
        assert texts(sequence) == before * [""] + (len(sequence) - before) * [wanted]
    alone = replace(drawn[0], prompt=drawn[0].prompt[:0])
    assert set(texts(alone)) == {""}


def test_goals_stand_at_the_end_of_their_prompts(data: list[TaskData]) -> None:
    """At the prompt's last timestep, with the goal's two numbers and the padding that ends them."""
    batch = next(batch for batch in sampler(data, goal_only={"grid": 0.3}).step(np.random.default_rng(0)))
    shown = batch.steps.show_action.flatten()
    assert len(batch.goal_tokens) > 3 and bool(shown[batch.prompt_end].all()) and not shown[batch.prompt_end + 1].all()
    np.testing.assert_allclose(
        decode_continuous(data[0].goal_tokens[:, :2] - CONTINUOUS_START), np.repeat(GOALS, 3, 0), atol=0.01
    )
    assert {tuple(row) for row in batch.goal_tokens.tolist()} <= {tuple(row) for row in data[0].goal_tokens.tolist()}
    assert set(batch.goal_tokens[:, 2].tolist()) == {PADDING} and set(batch.goal_tokens[:, 3:].flatten().tolist()) == {
        -1
    }
