"""Recipes, their settings, and the learning rate that follows from them."""

from dataclasses import asdict, replace
from fnmatch import fnmatchcase

import pytest

from playground import domains
from playground.demonstrations import shipped_counts
from playground.domains.hold_outs import HELD_OUT, RUNGS, rung
from playground.errors import BadValueError, UnknownNameError
from playground.model import GeneralistModel, preset
from playground.settings import read_settings
from playground.training.recipe import Recipe, recipe, recipe_names
from playground.training.state import TrainingState, learning_rate


def test_every_recipe_names_what_exists() -> None:
    known = [task.id for task in domains.tasks()]
    parameters = [name for name, _ in GeneralistModel(preset("tiny")).named_parameters()]
    assert recipe_names() == ["cpu", "debug", "finetune-faucets", "finetune-grid"]
    for name in recipe_names():
        found = recipe(name)
        for pattern in (*found.tasks, *found.held_out, *found.train_tasks, *found.sampling.task_weights):
            assert any(fnmatchcase(id, pattern) for id in known), f"{name}: no task is {pattern}"
        for pattern in found.optimization.trainable:
            assert any(fnmatchcase(p, pattern) for p in parameters), f"{name}: no parameter is {pattern}"
        assert read_settings(Recipe, asdict(found)) == found
    with pytest.raises(UnknownNameError, match="did you mean cpu"):
        recipe("cpus")


def test_some_tasks_are_held_out_of_every_recipe_that_is_shipped() -> None:
    known = {task.id for task in domains.tasks()}
    for name in ("cpu", "finetune-grid", "finetune-faucets"):
        assert not any(recipe(name).takes(id) for id in HELD_OUT)
    for id in HELD_OUT:
        assert id in known and shipped_counts()[id] and rung(id) in RUNGS
    assert rung("babyai/PickupDist-hidden") == "new task" and rung("babyai/BossLevel") is None
    assert recipe("cpu").takes("babyai/BossLevel") and recipe("finetune-grid").takes("babyai/BossLevel")
    assert not recipe("finetune-grid").takes("classic/CartPole")
    faucets = recipe("finetune-faucets")
    assert faucets.clones("metaworld/faucet-open") and not faucets.clones("metaworld/reach")


def test_settings_are_assigned_by_name() -> None:
    found = recipe(
        "cpu",
        (
            "sampling.prompted=0.25",
            "sampling.task_weights.babyai/BossLevel=7",
            'sampling.rows={"grid": 2}',
            "optimization.trainable=trunk.*,decoder.*",
            "model.max_prompt=16",
            "steps=40",
            "minutes=null",
            "hardware.devices=auto",
        ),
    )
    assert found.sampling.prompted == 0.25 and found.sampling.from_end == recipe("cpu").sampling.from_end
    assert found.sampling.task_weights["babyai/BossLevel"] == 7.0
    assert found.sampling.rows == {"grid": 2.0} and found.optimization.trainable == ("trunk.*", "decoder.*")
    assert found.config == replace(preset("small"), max_prompt=16)
    assert (found.steps, found.minutes, found.hardware.devices) == (40, None, "auto")


@pytest.mark.parametrize(
    ("assignment", "error", "message"),
    [
        ("sampling.promted=1", UnknownNameError, "did you mean sampling.prompted"),
        ("prompted=1", UnknownNameError, "did you mean sampling.prompted"),
        ("sampling.prompted.grid=1", UnknownNameError, "sampling.prompted"),
        ("model.max_promt=1", UnknownNameError, "did you mean model.max_prompt"),
        ("sampling=1", UnknownNameError, "did you mean sampling.rows"),
        ("sampling.prompted=often", BadValueError, "sampling.prompted is 'often': input should be a valid number"),
        ("steps=2.5", BadValueError, "steps is 2.5: input should be a valid integer"),
        ("steps=0", BadValueError, "recipe.steps is 0; give more than 0"),
        ("minutes=null", BadValueError, "has no end"),
        ("sampling.rows.grids=1", UnknownNameError, "did you mean grid"),
        ("preset=smal", UnknownNameError, "did you mean small"),
    ],
)
def test_settings_that_cannot_be_are_refused(assignment: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        recipe("cpu", (assignment,))


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    r = recipe("cpu")
    settings, half, end = r.optimization, r.minutes * 30, r.minutes * 60
    assert learning_rate(r, TrainingState()) == pytest.approx(settings.learning_rate / settings.warmup)
    assert learning_rate(r, TrainingState(settings.warmup)) == pytest.approx(settings.learning_rate)
    late = TrainingState(10**6, half)
    assert learning_rate(r, late) == pytest.approx(settings.learning_rate / 2)
    assert learning_rate(r, replace(late, seconds=end)) == pytest.approx(0.0)
    again = settings.restart * settings.learning_rate
    longer = replace(late, schedule_step=10**6 - 1, schedule_seconds=half)
    assert learning_rate(r, longer) == pytest.approx(again)
    assert learning_rate(r, replace(longer, optimizer_step=10**6)) == pytest.approx(again / settings.warmup)
    assert learning_rate(r, replace(longer, seconds=end)) == pytest.approx(0.0)


def test_the_learning_rate_follows_whatever_ends_first() -> None:
    both = replace(recipe("cpu"), steps=1000, minutes=10.0)
    assert TrainingState(500, 60.0).progress(both) == 0.5
    assert TrainingState(500, 540.0).progress(both) == 0.9
    assert TrainingState(0, 540.0).progress(both) == 0.0  # nothing is learnt yet, whatever the clock says
    assert not TrainingState(999, 599.0).is_done(both)
    assert TrainingState(1000, 1.0).is_done(both) and TrainingState(1, 600.0).is_done(both)
