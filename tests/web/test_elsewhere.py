"""The page in the places of others: in a frame of another site, below a path, where nothing may be stored."""

import pytest
from playwright.sync_api import Browser

from playground.web.access import Names
from playground.web.server import build_app
from tests.conftest import TASK
from tests.web.conftest import serving

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demonstrations")]

NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage', 'indexedDB'])
  Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });
"""


def test_it_opens_in_a_frame_below_a_path_without_storage(browser: Browser):
    with serving(build_app("random", None, TASK, names=Names(root="/deep/play"))) as address:
        page = browser.new_page()
        refused: list[str] = []
        page.on("response", lambda answer: answer.status >= 400 and refused.append(answer.url))
        page.add_init_script(NO_STORAGE)
        page.set_content(f'<iframe src="{address}/deep/play/" style="width: 1400px; height: 900px"></iframe>')
        frame = page.frames[-1]
        frame.wait_for_function("window.playground && window.playground.state().t >= 1", timeout=60_000)
        assert frame.evaluate(
            "[...document.styleSheets].some((s) => [...s.cssRules].some((r) => /[.]pg/.test(r.cssText)))"
        )
        dark = "document.body.classList.contains('dark')"
        before = frame.evaluate(dark)
        frame.click("[data-do=theme]")
        assert frame.evaluate(dark) != before
        assert refused == []
        page.close()
