"""Evaluation on the toy domain: fair starts, right counts, nothing lost."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from playground import assets, domains
from playground.collecting.ship import choose
from playground.demonstrations import shipped, shipped_counts
from playground.demonstrations.shipped_files import save_shipped
from playground.errors import BadFileError, BadValueError, PlaygroundError, UnknownNameError
from playground.evaluation import episodes
from playground.evaluation import evaluate as evaluation
from playground.evaluation.episodes import EvaluationSettings, batch_policy, episode_specs, play
from playground.evaluation.evaluate import evaluate
from playground.model import GeneralistModel, preset, save_pretrained
from playground.scores import reference_scores
from playground.task import EVALUATION_SEEDS
from tests.toy import MAX_STEPS, toy_task

POINT = toy_task()
TASKS = {
    task.id: task
    for task in (
        POINT,
        replace(POINT, id="toy/twin"),
        replace(toy_task(discrete=True), id="toy/steps", scene="toy-steps"),
        replace(toy_task(has_success=False, hidden_goal=False), id="toy/alone", scene="toy-alone"),
        replace(POINT, id="toy/unshown", scene="toy-unshown"),
    )
}
SHIPPED = 3


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Assets with demonstrations of all tasks but `toy/unshown`, scores and a checkpoint."""
    folder = tmp_path_factory.mktemp("assets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assets, "ASSETS", folder)
        for task in TASKS.values():
            if task.id != "toy/unshown":
                env = task.make(64)
                episodes = choose(task, env, task.make_expert(env), SHIPPED, max_steps=None)
                save_shipped(episodes, env.observation_space, env.action_space)
    known = {id: {"random": 0.0, "expert": 1.0, "episodes": 5} for id in TASKS if id != "toy/alone"}
    (folder / "scores.json").write_text(json.dumps(known), encoding="utf-8")
    torch.manual_seed(0)
    save_pretrained(GeneralistModel(preset("tiny")), folder / "checkpoint", dtype=torch.float32)
    return folder


@pytest.fixture(autouse=True)
def toys(shown: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy tasks are all that there is."""
    caches = (reference_scores, shipped_counts, shipped)
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(assets, "ASSETS", shown)
    monkeypatch.setattr(domains, "_registry", lambda: TASKS)
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(scope="module")
def model() -> GeneralistModel:
    torch.manual_seed(0)
    return GeneralistModel(preset("tiny")).eval()


def test_starts_are_unseen_worlds_with_the_prompt_s_goal():
    starts = episode_specs(POINT, EvaluationSettings(episodes=7, seed=2))
    assert [s.seed for s in starts] == [EVALUATION_SEEDS[2000 + i] for i in range(7)]
    assert [s.prompt.name for s in starts] == [f"toy/point#{i % SHIPPED}" for i in range(7)]
    assert all(s.goal == s.prompt.goal for s in starts) and len({s.goal for s in starts}) == SHIPPED
    assert starts[0].prompt is starts[SHIPPED].prompt  # which the agent then reads once
    assert all(s.goal is None for s in episode_specs(TASKS["toy/alone"], EvaluationSettings(episodes=3)))


@pytest.mark.parametrize("mode", ["none", "wrong", "toy/twin#1"])
def test_prompts_are_compared_in_the_same_worlds(mode: str):
    right = episode_specs(POINT, EvaluationSettings(episodes=12))
    other = episode_specs(POINT, EvaluationSettings(prompt=mode, episodes=12))
    assert [(s.seed, s.goal) for s in other] == [(s.seed, s.goal) for s in right]
    names = {None if s.prompt is None else s.prompt.name for s in other}
    if mode == "wrong":
        assert all((s.prompt.task, s.prompt.goal) != (POINT.id, s.goal) for s in other)
        assert any(name.startswith("toy/point") for name in names) and any(
            name.startswith("toy/twin") for name in names
        )
    else:
        assert names == {None if mode == "none" else mode}


def test_a_named_prompt_of_the_task_brings_its_goal():
    starts = episode_specs(POINT, EvaluationSettings(prompt="toy/point#2", episodes=4))
    assert {s.goal for s in starts} == {starts[0].prompt.goal} and starts[0].prompt.name == "toy/point#2"


def test_impossible_settings_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean expert"):
        EvaluationSettings(agent="exprt")
    with pytest.raises(BadValueError, match="1001 episodes"):
        EvaluationSettings(episodes=1001)
    with pytest.raises(BadValueError, match="seed is 1000"):
        EvaluationSettings(seed=1000)
    with pytest.raises(BadValueError, match="toy-alone"):
        episode_specs(TASKS["toy/alone"], EvaluationSettings(prompt="wrong"))
    with pytest.raises(UnknownNameError, match="toy/unshown"):
        episode_specs(TASKS["toy/unshown"], EvaluationSettings())


@pytest.mark.parametrize("worlds", [1, 3, 9])
def test_outcomes_belong_to_their_episodes(worlds: int):
    """However many worlds there are, episode i is what a world of its own would give; solved ones stop."""
    starts = episode_specs(POINT, EvaluationSettings(episodes=7))
    envs = [POINT.make(64) for _ in range(worlds)]
    outcomes = play(POINT, starts, envs, batch_policy("expert", POINT, envs, None))
    for start, outcome in zip(starts, outcomes, strict=True):
        env = POINT.make(64)
        observation, _ = env.reset(seed=start.seed, options={"goal": start.goal})
        total, steps = 0.0, 0
        while not env.success:
            observation, reward, *_ = env.step(POINT.make_expert(env).act(observation))
            total, steps = total + reward, steps + 1
        assert (outcome.total_reward, outcome.success, outcome.steps) == (total, True, steps)
    assert len({outcome.steps for outcome in outcomes}) > 1


def test_rows_of_the_model_are_independent(model: GeneralistModel):
    """Also when they begin at different times, because episodes end at different times."""
    starts = episode_specs(POINT, EvaluationSettings(episodes=5))

    def returns(worlds: int) -> list[float]:
        envs = [POINT.make(64) for _ in range(worlds)]
        return [o.total_reward for o in play(POINT, starts, envs, batch_policy("model", POINT, envs, model))]

    np.testing.assert_allclose(returns(5), returns(2), rtol=1e-3)


def test_episodes_end_with_the_world_where_success_is_undefined(model: GeneralistModel):
    task = TASKS["toy/alone"]
    envs = [task.make(64) for _ in range(2)]
    starts = episode_specs(task, EvaluationSettings(episodes=3))
    outcomes = play(task, starts, envs, batch_policy("expert", task, envs, None))
    assert [(o.success, o.steps) for o in outcomes] == [(None, MAX_STEPS)] * 3


def test_report_of_the_expert(tmp_path: Path):
    file = tmp_path / "deep" / "report.json"
    report = evaluate("toy/*", agent="expert", episodes=4, json_file=file, workers=1)
    assert json.loads(file.read_text(encoding="utf-8")) == report
    assert set(report["tasks"]) == set(TASKS)
    point = report["tasks"]["toy/point"]
    assert (point["episodes"], point["success_rate"], point["normalised"]) == (4, 1, 1)
    assert (point["random_score"], point["expert_score"]) == (0, 1) and 0.5 < point["interval"][0] < point["interval"][
        1
    ]
    alone = report["tasks"]["toy/alone"]
    assert alone["success_rate"] is None and alone["normalised"] is None
    assert alone["interval"][0] <= alone["mean_return"] <= alone["interval"][1]
    summary = {"tasks": 5, "above_50": 4, "above_80": 4, "iqm": 1.0, "interval": [1.0, 1.0]}
    assert report["summary"] == summary and report["settings"]["weights"] is None


def test_tasks_without_prompts_are_left_out(capsys: pytest.CaptureFixture[str]):
    assert "toy/unshown" not in evaluate("toy/*", episodes=1, workers=1)["tasks"]
    assert "1 of 5 tasks have no right prompts" in capsys.readouterr().out
    wrong = evaluate("toy/*", episodes=1, prompt="wrong", workers=1)
    assert set(wrong["tasks"]) == {"toy/point", "toy/twin", "toy/steps"}
    with pytest.raises(UnknownNameError, match="right prompts 'toy/unshown'"):
        evaluate("toy/unshown", episodes=1, workers=1)


def test_finished_tasks_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "report.json"
    played: list[str] = []
    measure = evaluation.evaluate_task

    def interrupted(task, *rest):
        if len(played) == 1:
            raise KeyboardInterrupt
        played.append(task.id)
        return measure(task, *rest)

    monkeypatch.setattr(evaluation, "evaluate_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate("toy/point,toy/twin", episodes=2, json_file=file, workers=1)
    assert list(json.loads(file.read_text(encoding="utf-8"))["tasks"]) == played == ["toy/point"]

    monkeypatch.setattr(evaluation, "evaluate_task", lambda task, *rest: played.append(task.id) or measure(task, *rest))
    report = evaluate("toy/point,toy/twin", episodes=2, json_file=file, workers=1)
    assert set(report["tasks"]) == {"toy/point", "toy/twin"} and played == ["toy/point", "toy/twin"]
    evaluate("toy/point", episodes=2, seed=1, json_file=file, workers=1)  # other settings: other results
    assert played[2:] == ["toy/point"] and list(json.loads(file.read_text(encoding="utf-8"))["tasks"]) == ["toy/point"]


@pytest.mark.slow
def test_another_checkpoint_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file, folder = tmp_path / "report.json", tmp_path / "checkpoint"
    weights = []
    for _ in range(2):
        save_pretrained(GeneralistModel(preset("tiny")), folder)
        evaluate("toy/point", folder, episodes=1, json_file=file, workers=1)
        weights.append(json.loads(file.read_text(encoding="utf-8"))["settings"]["weights"])
    assert weights[0] != weights[1]


def test_one_failure_does_not_cost_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = replace(POINT, id="toy/broken", make=lambda size: 1 / 0)
    monkeypatch.setattr(domains, "_registry", lambda: TASKS | {broken.id: broken})
    file = tmp_path / "report.json"
    with pytest.raises(PlaygroundError, match=r"1 of 2 tasks failed \(toy/broken: division"):
        evaluate("toy/broken,toy/point", agent="random", episodes=2, json_file=file, workers=1)
    assert list(json.loads(file.read_text(encoding="utf-8"))["tasks"]) == ["toy/point"]


@pytest.mark.parametrize("text", ["", "[]", '{"tasks": {}}'])
def test_foreign_files_are_not_overwritten(tmp_path: Path, text: str):
    file = tmp_path / "thesis.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadFileError, match="no evaluation"):
        evaluate("toy/point", agent="expert", episodes=1, json_file=file, workers=1)
    assert file.read_text(encoding="utf-8") == text


def test_missing_things_are_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(episodes, "play", lambda *rest: pytest.fail("an episode ran"))
    with pytest.raises(BadFileError, match="checkpoint"):
        evaluate("toy/point", tmp_path, workers=1)
    with pytest.raises(UnknownNameError, match="toy/pint"):
        evaluate("toy/point", prompt="toy/pint#0", workers=1)
    with pytest.raises(UnknownNameError, match="toy/pnt"):
        evaluate("toy/pnt", workers=1)
