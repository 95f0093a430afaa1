"""Other libraries' remarks do not stand among what the playground prints."""

import logging
import os
import subprocess
import sys

import pytest

from playground.domains.quiet import DISPLAYS, quiet_sdl, without_deprecations

CODE = """
from playground import domains
for id in ("dm_control/cheetah-run", "classic/CartPole"):
    env = domains.make(id, size=64)
    env.reset(seed=1)
    env.render()
    env.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("nowhere", [(), ("HOME", "XDG_CACHE_HOME")], ids=["at home", "without a home"])
def test_worlds_are_made_and_drawn_without_a_word(nowhere: tuple[str, ...]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in (*DISPLAYS, "XDG_RUNTIME_DIR")}
    environment |= dict.fromkeys(nowhere, "/dev/null/none")
    ran = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, encoding="utf-8"
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_other_warnings_are_kept() -> None:
    def record(text: str) -> logging.LogRecord:
        return logging.LogRecord("absl", logging.WARNING, "", 1, text, (), None)

    assert without_deprecations(record("the simulation is unstable"))
    assert not without_deprecations(record("compiler attribute 'settotalmass' is deprecated"))


def test_drivers_that_people_chose_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    with quiet_sdl():
        assert os.environ["SDL_VIDEODRIVER"] == "dummy"
    assert "SDL_VIDEODRIVER" not in os.environ
    monkeypatch.setenv("DISPLAY", ":0")
    with quiet_sdl():
        assert "SDL_VIDEODRIVER" not in os.environ
