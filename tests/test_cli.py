"""The command line's promises: quick help, one-line errors with exit code 2, nothing run before a refusal."""

import json
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import imageio.v3 as iio
import pytest
import typer

from playground.cli import app, main
from playground.training.recipe import recipe_names
from tests.training.tiny import write_toys


def playground(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "playground", *arguments], capture_output=True, text=True, timeout=120, encoding="utf-8"
    )


GROUPS = {
    "Watch": ["web", "window", "record", "replay", "tasks"],
    "Measure": ["evaluate", "experiment", "bench", "doctor"],
    "Make": [
        "collect",
        "takeovers",
        "dagger",
        "train",
        "train-dqn",
        "average",
        "train-done-head",
        "fit-ood-detector",
        "card",
    ],
}


def test_help_is_quick_and_names_the_commands_in_three_groups():
    began = time.perf_counter()
    shown = playground("--help")
    assert shown.returncode == 0 and time.perf_counter() - began < 3
    words = shown.stdout.replace("│", " ").split()
    places = [words.index(word) for group, commands in GROUPS.items() for word in (group, *commands)]
    assert places == sorted(places)


def test_one_name_for_one_folder():
    """`--data` is the demonstrations' folder, `--out` what is written, `--checkpoint` what is read."""
    group: Any = typer.main.get_command(app)
    options = {name: {option.name for option in command.params} for name, command in group.commands.items()}
    for name in ("collect", "takeovers", "dagger"):
        assert {"data"} <= options[name] and "out" not in options[name]
    for name in ("train", "train_done_head", "fit_ood_detector"):
        assert {"data", "out", "checkpoint"} <= options[name.replace("_", "-")]


@pytest.mark.slow
def test_no_checkpoint_is_changed_in_place(checkpoint):
    for command in ("train-done-head", "fit-ood-detector"):
        shown = playground(command, "--checkpoint", str(checkpoint), "--out", str(checkpoint))
        assert shown.returncode == 2 and "give a new folder as --out" in shown.stderr, shown.stderr
    assert sorted(file.name for file in checkpoint.iterdir()) == ["config.json", "model.safetensors"]


def test_help_imports_nothing_heavy():
    code = "import sys, playground.cli; print([m for m in ('torch', 'numpy', 'gradio', 'mujoco') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert shown.stdout.strip() == "[]", shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("record", "--task", "metaworld/raech", "--out", "x.mp4", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "x.avi", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "/nowhere/x.mp4", "--agent", "random"),
        ("record", "--task", "metaworld/reach", "--out", "x.mp4", "--agent", "rnadom"),
        ("record", "--task", "metaworld/reach", "--out", "x.mp4", "--swap", "soon=none"),
        ("record", "--task", "metaworld/*", "--out", "x.mp4", "--prompt", "none", "--prompt", "none"),
        ("replay", "metaworld/raech#0"),
        ("replay", "metaworld/reach#0", "--out", "x.avi"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(arguments):
    shown = playground(*arguments)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ") and shown.stderr.count("\n") == 1, shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("recipe", recipe_names())
def test_recipes_run_on_this_machine(recipe, tmp_path):
    """They get as far as looking for demonstrations."""
    shown = playground("train", "--recipe", recipe, "--out", str(tmp_path / "out"), "--data", str(tmp_path / "none"))
    assert shown.returncode == 2 and "no demonstrations" in shown.stderr, shown.stderr


@pytest.mark.parametrize(
    ("command", "assignment", "answer"),
    [
        ("train --out nowhere", "sampling.promted=0.5", "did you mean sampling.prompted"),
        ("train --out nowhere", "sampling.prompted=5", "sampling.prompted is 5.0; give 0 to 1"),
        ("train --out nowhere", "sampling.prompted", "write sampling.prompted=VALUE"),
        ("train --out nowhere", "hardware.accelerator=tpu", "should be 'auto', 'cpu' or 'cuda'"),
        ("dagger", "expert_shares=0.5", "did you mean expert_share"),
        ("dagger", "switch_interval=9,3", "switch_interval is (9, 3)"),
        ("dagger", "switch_interval=9", "switch_interval.1 is [9]: field required"),
        ("takeovers", "noise=-0.1", "noise is (-0.1,)"),
        ("takeovers", "second_steps=0", "takeovers.second_steps is 0; give 1 or more"),
        ("train-done-head --out nowhere", "levels.babyai/BossLevel=0", "BossLevel is 0.0; give more than 0"),
        ("train-expert cheetah-run", "clip=0", "ppo.clip is 0.0; give more than 0"),
    ],
)
def test_every_command_with_settings_refuses_what_cannot_be(command, assignment, answer, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["playground", *command.split(), "--set", assignment])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2 and answer in error and error.count("\n") == 1, error


@pytest.mark.slow
def test_the_recipe_debug_trains_in_seconds(tmp_path):
    write_toys(tmp_path / "data")
    command = ("train", "--recipe", "debug", "--tasks", "toy/*", "--data", str(tmp_path / "data"))
    shown = playground(*command, "--out", str(tmp_path / "run"), "--steps", "3", "--set", "sampling.prompted=0.5")
    assert shown.returncode == 0, shown.stderr
    training = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["training"]
    assert training["steps"] == 3 and training["recipe"]["sampling"]["prompted"] == 0.5
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["loss/grid"] > 0


def test_wrong_usage_exits_with_2():
    shown = playground("record", "--seed", "x")
    assert shown.returncode == 2 and "Traceback" not in shown.stderr


@pytest.mark.slow
def test_tasks_as_json_and_as_table():
    rows = json.loads(playground("tasks", "metaworld/*", "--json").stdout)
    assert [row["id"] for row in rows if row["scene"] == "metaworld/puck"]
    assert all(list(row) == ["id", "domain", "scene", "random_score", "expert_score", "prompts"] for row in rows)
    assert "metaworld/reach" in playground("tasks", "metaworld/reach").stdout


@pytest.mark.slow
def test_web_refuses_a_taken_port_and_unknown_tasks():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = playground("web", "--agent", "random", "--port", str(listener.getsockname()[1]))
    assert taken.returncode == 2 and "cannot listen" in taken.stderr and taken.stderr.count("\n") == 1
    unknown = playground("web", "--agent", "random", "--port", "17863", "--task", "metaworld/raech")
    assert unknown.returncode == 2 and "did you mean" in unknown.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("evaluate --json FOLDER", "evaluate --json /dev/full", "evaluate --json LONG", "evaluate --json LINK"),
        *("bench act --json FOLDER", "bench act --json /dev/full", "bench act --json LONG", "bench act --json LINK"),
        *("experiment prompt-swap --out FILE", "experiment zero-shot --out LINK", "experiment compute --out LONG"),
        *("train --out FILE", "train --out LINK", "collect --data FILE", "collect --data LINK"),
        *("train-dqn Breakout --out FILE", "train-expert cheetah-run --out FOLDER", "train-expert Hopper --out LINK"),
        *("fit-ood-detector --out FILE", "train-done-head --out FILE", "average --before a --after b --out FILE"),
    ],
)
def test_results_that_cannot_be_written_are_refused_before_the_work(command, monkeypatch, capsys, tmp_path):
    places = {word: tmp_path / word.lower() for word in ("FOLDER", "FILE", "LINK")} | {"LONG": tmp_path / ("x" * 300)}
    places["FOLDER"].mkdir()
    places["FILE"].touch()
    places["LINK"].symlink_to(tmp_path / "missing")
    words = [str(places.get(word, word)) for word in command.split()]
    monkeypatch.setattr(sys, "argv", ["playground", *words])
    began = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1, error
    assert ("cannot write" in error or "links to" in error) and time.process_time() - began < 10, error


@pytest.mark.slow
def test_record_stopped_politely_leaves_a_playable_file(tmp_path):
    out = tmp_path / "run.mp4"
    command = [sys.executable, "-m", "playground", "record", "--task", "babyai/BossLevel", "--out", str(out)]
    running = subprocess.Popen([*command, "--agent", "random", "--episodes", "1000"])
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) == 130
    assert len(iio.imread(out)) > 0
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["interrupted"]


@pytest.mark.slow
def test_record_twice_is_equal_and_replay_films_what_was_recorded(tmp_path):
    digests = []
    for n in range(2):
        out = tmp_path / f"run{n}.gif"
        command = ("record", "--task", "classic/CartPole,classic/Pendulum", "--agent", "random", "--seconds", "1")
        shown = playground(*command, "--size", "64", "--swap", "0.5s=none", "--out", str(out))
        assert shown.returncode == 0, shown.stderr
        sidecar = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
        digests.append(sidecar["digests"])
        assert sidecar["asked"]["swap"] == ["0.5s=none"] and sidecar["versions"]["mujoco"]
    assert digests[0] == digests[1] and (tmp_path / "run0.gif").read_bytes() == (tmp_path / "run1.gif").read_bytes()
    out = tmp_path / "again.mp4"
    shown = playground("replay", "classic/Pendulum#0", "--out", str(out), "--size", "64")
    assert shown.returncode == 0, shown.stderr
    assert (
        json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["steps"] == [[200]]
        and len(iio.imread(out)) == 201 + 15
    )
