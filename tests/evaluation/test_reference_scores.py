import json

from playground.evaluation.reference_scores import measure_scores, random_and_expert
from tests.toy import toy_task


def test_success_rates():
    task = toy_task(blunders=True)
    env = task.make(64)
    scores = random_and_expert(task, env, task.make_expert(env), 20)
    assert 0 <= scores["random"] < 0.5 < scores["expert"] < 1 and scores["episodes"] == 20


def test_returns():
    task = toy_task(has_success=False)
    env = task.make(64)
    scores = random_and_expert(task, env, task.make_expert(env), 5)
    assert scores["random"] < scores["expert"] < 0


def test_scores_are_merged_and_not_measured_twice(tmp_path):
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({"other/task": {"random": 0.0, "expert": 1.0, "episodes": 50}}), encoding="utf-8")
    measured = measure_scores("classic/CartPole", 2, workers=1, file=file)
    assert measured["classic/CartPole"]["expert"] > measured["classic/CartPole"]["random"]
    assert json.loads(file.read_text(encoding="utf-8")) == measured and "other/task" in measured
    changed = measured | {"classic/CartPole": {"random": 1.0, "expert": 2.0, "episodes": 2}}
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert measure_scores("classic/CartPole", 2, workers=1, file=file) == changed
