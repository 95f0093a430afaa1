"""Experiments: a small run each of the shipped agent, and what is concluded from known records."""

import json
from dataclasses import replace

import numpy as np
import pytest

from playground import domains
from playground.collecting.collect import collect
from playground.demonstrations import find_prompt
from playground.demonstrations.packed import shard_folders
from playground.domains.atari.q_network import NETWORKS
from playground.domains.scenes import ShadowedEnv, ShadowEnvironment, scenes
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.experiments import (
    NAMES,
    ablations,
    experiment,
    ood_goals,
    prompt_swap,
    running,
    swap_report,
    zero_shot,
)
from playground.experiments.running import Options, auroc, flat, mean_of_groups
from playground.experiments.swaps import ComparedAgent, PromptExperts, SwapSpec, play
from playground.model import load_model, read_config

SEED = 1_500_000


def written(out):
    assert (out / "figure.png").stat().st_size > 5000
    assert (out / "report.md").read_text(encoding="utf-8").startswith("# ")
    return json.loads((out / "result.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_prompt_swap(tmp_path, monkeypatch):
    agents = {"model": ("right", "wrong", "swapped_midway"), "nearest": ("first_8",), "expert": ("wrong",)}
    options = Options(tmp_path, 2, 0, "classic/CartPole", workers=1)
    report = prompt_swap.prompt_swap(options, agents)
    assert written(tmp_path)["summary"] == report["summary"] and report["complete"]
    assert len(report["records"]) == 5 and all(len(rows) == 2 for rows in report["records"].values())
    for name in ("following_right", "following_wrong", "following_swapped_midway", "return_right", "return_wrong"):
        low, value, high = (report["summary"][f"{name}{end}"] for end in ("_low", "", "_high"))
        assert low <= value <= high
    assert all(report["summary"][f"divergence_{other}"] >= 0 for other in swap_report.COMPARED)
    swapped = report["records"]["classic/CartPole swapped_midway model"]
    assert all(0 < r["swapped_at"] < r["steps"] for r in swapped)

    def never(job):
        raise AssertionError("done before")

    monkeypatch.setattr(prompt_swap, "_work", never)
    assert prompt_swap.prompt_swap(options, agents)["summary"] == report["summary"]
    with pytest.raises(BadFileError, match="prompt-swap"):
        experiment("ood-goals", Options(tmp_path, 2, 0, "classic/*", workers=1))

    played = []
    monkeypatch.setattr(prompt_swap, "_work", lambda job: played.append(job.key) or report["records"][job.key])
    monkeypatch.setattr(running, "fingerprint", lambda checkpoint: "other weights")
    prompt_swap.prompt_swap(options, agents)
    without = {"classic/CartPole first_8 nearest", "classic/CartPole wrong expert"}  # they are the same
    assert set(played) == report["records"].keys() - without
    played.clear()
    prompt_swap.prompt_swap(replace(options, seed=1), agents)
    assert set(played) == report["records"].keys()


def test_prompt_of_what_is_done_already_cannot_be_followed():
    """A window that is to be opened is closed at the start: whoever is told to close it has nothing to do."""
    job = prompt_swap.Case("metaworld/window", "wrong", "random", 2, 0, None)
    records = prompt_swap._work(job)
    assert [(r["did_prompt"], r["did_world"]) for r in records] == [(None, False)] * 2
    found = prompt_swap.conclude({job.key: records})["summary"]
    assert found["following_wrong_random"] is None and found["world_done_wrong_random"] == 0


@pytest.mark.slow
def test_swap_to_what_is_being_done_already_cannot_be_followed():
    """Whoever holds the small target holds the large one; the other way round there is something to do."""
    records = prompt_swap._work(prompt_swap.Case("dm_control/reacher", "swapped_midway", "expert", 4, 0, None))
    found = {(r["world"], r["prompt"]): r["did_prompt"] for r in records}
    easy, hard = "dm_control/reacher-easy", "dm_control/reacher-hard"
    assert found == {(hard, easy): None, (easy, hard): True}


@pytest.mark.slow
def test_swap_to_what_the_first_prompt_has_just_brought_about_cannot_be_followed():
    """A thermos that was pulled there by the stick is where pushing is to bring it."""
    records = prompt_swap._work(prompt_swap.Case("metaworld/stick", "swapped_midway", "expert", 4, 0, None))
    found = {(r["world"], r["prompt"]): r["did_prompt"] for r in records}
    push, pull = "metaworld/stick-push", "metaworld/stick-pull"
    assert found == {(pull, push): None, (push, pull): True}


@pytest.mark.slow
def test_mission_that_was_done_on_the_way_to_the_first_cannot_be_followed():
    records = prompt_swap._work(prompt_swap.Case("babyai/hidden", "swapped_midway", "expert", 6, 0, None))
    assert {r["did_prompt"] for r in records} == {True, None}


def test_what_was_done_and_undone_before_a_swap_can_be_followed():
    """The window is closed at the start and open at the swap: to close it is to follow."""
    records = prompt_swap._work(prompt_swap.Case("metaworld/window", "swapped_midway", "expert", 4, 0, None))
    assert all(r["did_world"] and r["did_prompt"] for r in records)


@pytest.mark.slow
def test_a_prompt_does_not_diverge_from_itself():
    task = domains.task("classic/CartPole-hidden")
    prompt = find_prompt(f"{task.id}#0")
    env = task.make(64)
    agent = ComparedAgent(load_model(), [env], lambda spec: {"same": prompt, "none": None})
    play(task, [SwapSpec(SEED, prompt.goal, prompt)], [ShadowedEnv(env, None, task)], agent)
    same, none = (agent.divergences[SEED][name] for name in ("same", "none"))
    assert max(np.abs(same)) < 1e-6 < 1e-3 < np.mean(none) and len(same) == len(none)
    env.close()


def test_what_no_expert_can_do_does_not_count():
    def rows(did):
        return [{"world": "a", "prompt": "b", "did_world": False, "did_prompt": did, "normalised": 0.0}] * 4

    records = {"easy wrong model": rows(True), "easy wrong expert": rows(True)}
    records |= {"hard wrong model": rows(False), "hard wrong expert": rows(False)}
    summary = prompt_swap.conclude(records)["summary"]
    assert summary["following_wrong"] == 1.0 and summary["following_wrong_all_scenes"] == 0.5
    assert summary["following_wrong_expert_all_scenes"] == 0.5


@pytest.mark.slow
def test_ood_goals(tmp_path):
    report = experiment("ood-goals", Options(tmp_path, 2, 0, "babyai/GoToLocal-hidden,classic/*", workers=1))
    summary = written(tmp_path)["summary"]
    assert summary == report["summary"] and report["complete"]
    for part in ("trained", "interpolated", "extrapolated"):
        assert summary[f"classic/CartPole-hidden error_{part}"] >= 0
        assert summary[f"error_{part}_expert"] < min(1, summary[f"error_{part}_random"])  # in tolerances
    assert "ood_auroc" in summary and all(
        r["ood_score"] is not None for k, rows in report["records"].items() if k.endswith("model") for r in rows
    )


@pytest.mark.slow
def test_zero_shot(tmp_path, monkeypatch):
    monkeypatch.setattr(zero_shot, "read_config", lambda folder: (None, {"tasks": ["classic/Pendulum"]}))
    with pytest.raises(UnknownNameError, match="held-out"):
        experiment("zero-shot", Options(tmp_path, 2, 0, "classic/Pendulum", workers=1))
    report = experiment("zero-shot", Options(tmp_path, 2, 0, "classic/Acrobot", workers=1))
    assert written(tmp_path)["summary"] == report["summary"]
    for who in zero_shot.WHO:
        low, value, high = (report["summary"][f"return_{who}{end}"] for end in ("_low", "", "_high"))
        assert low <= value <= high


@pytest.mark.slow
def test_ablations(tmp_path):
    root = tmp_path / "packed"
    collect("classic/CartPole", root, episodes=100, workers=1)
    arms = ("as it is", "half the width", ablations.FEWER)
    study = ablations.Study(0.04, ("classic/CartPole",), arms, ("preset=tiny",))
    with pytest.raises(UnknownNameError, match="ablations"):
        ablations.ablations(Options(tmp_path / "result", 2, 0, "metaworld/*", workers=1), study, root)
    report = ablations.ablations(Options(tmp_path / "result", 2, 0, "*", workers=1), study, root)
    summary = written(tmp_path / "result")["summary"]
    assert summary == report["summary"] and report["complete"] and set(report["records"]) == set(arms)
    for arm in arms:
        assert summary[f"{arm} right_low"] <= summary[f"{arm} right"] <= summary[f"{arm} right_high"]
        assert summary[f"{arm} steps"] > 0 and read_config(tmp_path / "result" / "arms" / arm.replace(" ", "-"))
    widths = [read_config(tmp_path / "result/arms" / arm)[0].width for arm in ("as-it-is", "half-the-width")]
    assert widths == [32, 128]
    assert len(list((tmp_path / "result/arms/a-shard-of-data/data/classic/CartPole").iterdir())) == 1
    assert len(shard_folders(root, "classic/CartPole")) > 1


def test_what_does_not_exist_is_told(tmp_path):
    with pytest.raises(UnknownNameError, match="prompt-swap"):
        experiment("prompt-swapp", Options(tmp_path))
    for name in NAMES:
        with pytest.raises(UnknownNameError):
            experiment(name, Options(tmp_path, scenes="nowhere/*"))
    with pytest.raises(BadValueError, match="seed"):
        experiment(NAMES[0], Options(tmp_path, seed=-1))


def test_experts_of_the_prompt_are_seen_to_follow_it():
    """In a world that asks for an open window, the expert of closing it takes over."""
    task, other = domains.task("metaworld/window-open"), domains.task("metaworld/window-close")
    world, watched = task.make(64), other.make(64)
    shadow = ShadowEnvironment(other, watched)
    experts = PromptExperts([task.make_expert(world)], [(shadow, other.make_expert(watched))], at_once=False)
    (record,) = play(task, [SwapSpec(SEED, swapped=True)], [ShadowedEnv(world, shadow, task)], experts)
    assert record.did_world and record.did_prompt and 0 < record.swapped_at < record.steps
    world.reset(seed=SEED)
    assert shadow.has_nothing_to_do(world, None)  # it is closed at the start
    world.close()
    watched.close()


def test_scenes_are_those_with_several_aims():
    found = scenes(domains.tasks())
    assert {t.name for t in found["metaworld/window"]} == {"window-open", "window-close"}
    assert "metaworld/hammer" not in found and "babyai" not in found and "dm_control/reacher-hidden" in found


def test_failure_is_predicted_by_the_ood_score_in_known_records():
    rows = [{"error": 0.01 * k, "error_shown": 0.0, "met": k < 5, "ood_score": float(k)} for k in range(10)]
    found = ood_goals.conclude({"metaworld/reach trained model": rows})
    assert found["summary"]["ood_auroc"] == 1.0
    assert found["families"]["metaworld/reach"]["met_trained"] == 0.5
    assert found["summary"]["metaworld/reach error_trained"] == pytest.approx(0.045)
    assert found["summary"]["metaworld/reach error_shown_trained"] == 0


def test_statistics():
    assert auroc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auroc([1, 1, 1], [True, False, True]) == 0.5
    assert auroc([1, 2], [True, True]) is None
    value, low, high = mean_of_groups([[0, 1] * 50, [1] * 100])
    assert value == 0.75 and 0.68 < low < 0.75 < high < 0.82
    assert flat("x", [[]]) == {"x": None, "x_low": None, "x_high": None}


@pytest.mark.slow
def test_compute(tmp_path):
    report = experiment("compute", Options(tmp_path, 1, 0, "classic/CartPole,mujoco/Hopper,atari/Breakout", workers=1))
    assert written(tmp_path)["summary"] == report["summary"]
    summary, tasks = report["summary"], report["tasks"]
    assert (summary["dqn_2013_parameters"], summary["dqn_2015_parameters"]) == (680_770, 1_693_362)
    assert summary["dqn_2015_flops_per_decision"] == 2 * NETWORKS["nature"].multiplications(18)
    assert summary["agent_parameters"] == sum(p.numel() for p in load_model().parameters())
    assert [tasks[id]["expert_kind"] for id in ("atari/Breakout", "classic/CartPole", "mujoco/Hopper")] == [
        "look-ahead",
        "code",
        "trained policy",
    ]
    hopper = tasks["mujoco/Hopper"]
    assert hopper["expert_parameters"] == summary["experts_parameters"] == 128 * 12 + 128 * 129 + 3 * 129
    assert hopper["expert_operations"] == 2 * (128 * 11 + 128 * 128 + 3 * 128)
    assert tasks["atari/Breakout"]["expert_emulated"] > 1
    for row in tasks.values():
        assert row["agent_operations"] > 1e6
        assert row["prompt_operations"] > row["agent_operations"]
    assert {"dqn", "agent", "expert", "random"} <= report["games"]["atari/Breakout"].keys()
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "The agent is no compression" in text and "1266688" in text
