"""`import playground` is cheap, and what people need is imported from there."""

import json
import subprocess
import sys

import pytest

import playground

SECONDS = 0.3

TIMED = """
import json, sys, time
began = time.perf_counter()
import playground
print(json.dumps([time.perf_counter() - began, sorted(sys.modules)]))
"""


def test_import_is_quick_and_imports_nothing_heavy() -> None:
    found = [
        subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, encoding="utf-8")
        for _ in range(3)
    ]
    seconds, modules = min(json.loads(each.stdout) for each in found)
    assert seconds < SECONDS
    assert not {"torch", "numpy", "gymnasium", "mujoco"} & set(modules)


def test_names_come_from_their_modules() -> None:
    from playground import api, domains, find_prompt, load_model, make_policy, open_session, tasks

    assert (find_prompt, load_model, make_policy) == (api.find_prompt, api.load_model, api.make_policy)
    assert open_session is api.open_session and tasks is domains.tasks
    assert set(playground.__all__) <= set(dir(playground))


def test_other_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = playground.nonsense
    with pytest.raises(ImportError):
        from playground import nonsense  # noqa: F401


def test_a_model_is_loaded_once(checkpoint) -> None:
    assert playground.load_model(checkpoint) is playground.load_model(str(checkpoint))
