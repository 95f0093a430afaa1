"""In a real browser: a house with one place, whose agent thinks; who waits, who sleeps, and experiments run live."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from playground.agent.fit_ood import fit_ood_detector
from playground.agent.ood import FILE
from playground.model import from_pretrained, save_pretrained
from playground.web import experiment_runner, lobby, server
from tests.conftest import OTHER, TASK
from tests.web.browsing import card, opened, pixels, until
from tests.web.conftest import serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house(demonstrations: None, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with one place, whose visitors watch an untrained agent that says it had learnt TASK."""
    folder, model = tmp_path_factory.mktemp("schooled"), from_pretrained(checkpoint)
    save_pretrained(model, folder, {"tasks": [TASK]})
    detector = fit_ood_detector(model, [TASK])
    replace(detector, scores=np.array([-1e9])).save(folder / FILE)  # every prompt is out of distribution
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "SWEEP_SECONDS", 0.2)
        with serving(server.build_app("model", str(folder), TASK, limit=1)) as address:
            yield address


@pytest.fixture
def page(browser: Browser, house: str) -> Iterator[Page]:
    page = opened(browser, house)
    yield page
    page.close()


def test_what_the_agent_thinks_is_shown(page: Page):
    expect(page.locator("[data-out=latency]")).to_contain_text("ms")
    expect(page.locator("[data-out=entropy]")).to_contain_text("bit")
    expect(page.locator("[data-out=contexttext]")).to_contain_text(" live of 16")  # what a tiny model reads
    expect(page.locator("[data-out=look]")).to_contain_text("%")
    page.wait_for_function("window.playground.attention()?.length == window.playground.promptInfo()[0].read.length")
    assert page.evaluate("window.playground.attention().every((weight) => weight >= 0)")
    page.wait_for_timeout(300)
    assert pixels(page, "timeline", [249, 115, 22], top=0.75) > 0  # the longest bar below the thumbnails
    expect(page.locator("[data-out=ood]")).to_contain_text("nearest GoToLocal-hidden")
    shares = page.locator(".pg-choices > div").evaluate_all(
        "rows => rows.map((row) => Number(row.style.getPropertyValue('--share')))"
    )
    assert len(shares) > 2 and sum(shares) == pytest.approx(1, abs=0.02)
    card(page, f"{TASK}#1").click()
    until(page, f"s.acted == '{TASK}#1' && s.prompt_steps > 0")
    page.click("[data-do=noprompt]")
    until(page, "s.acted === null && s.prompt_steps == 0")
    expect(page.locator("[data-out=look]")).to_have_text("–")


def test_nothing_jumps_while_the_agent_acts(page: Page):
    jumps = page.evaluate(
        """async () => {
          const moved = [];
          const watch = new PerformanceObserver((list) => {
            for (const { value, sources } of list.getEntries())
              moved.push([value, ...sources.map(({ node, previousRect: was, currentRect: is }) =>
                `${node?.outerHTML?.slice(0, 50) ?? node?.textContent}: ${was.x} ${was.y} to ${is.x} ${is.y}`)]);
          });
          watch.observe({ type: 'layout-shift', buffered: true });
          window.playground.send({ speed: 8 });
          await new Promise((done) => setTimeout(done, 2500));
          watch.disconnect();
          return moved;
        }"""
    )
    assert sum(value for value, *_ in jumps) < 0.005, jumps  # from opening the page on


def test_badges_tell_what_was_trained_and_what_is_out_of_distribution(page: Page):
    expect(card(page, f"{TASK}#0").locator("em").first).to_have_text("trained")
    expect(card(page, f"{OTHER}#0").locator("em").first).to_have_text("held out")
    expect(card(page, f"{OTHER}#0").locator("em").last).to_have_text("out of distribution", timeout=30_000)
    expect(page.locator("[data-out=ood]")).to_contain_text("out of distribution: stranger than 100 %")


def test_compared_prompts_tell_how_far_apart_the_next_actions_are(page: Page):
    page.locator(f".pg-card[data-name='{TASK}#1'] .pg-plus").click()
    expect(page.locator(".pg-score").nth(1)).to_have_text(
        re.compile(r"return .* · differs \d\.\d\d bit"), timeout=30_000
    )
    page.locator(".pg-drop").nth(1).click()
    until(page, "s.others.length == 0")


def test_who_comes_to_a_full_house_waits_in_line_and_gets_in(browser: Browser, house: str, page: Page):
    waiting = browser.new_page()
    waiting.goto(house)
    line = waiting.locator("[data-out=link]")
    expect(line).to_have_text("1 people are here; you are number 1 in line", timeout=30_000)
    assert waiting.evaluate("window.playground.state().t") is None
    page.close()
    until(waiting, "s.t >= 1")
    expect(line).to_have_text("connected")
    waiting.close()


def test_who_comes_to_a_full_queue_is_told_so(
    browser: Browser, house: str, page: Page, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lobby, "MAX_QUEUE", 0)
    waiting = browser.new_page()
    waiting.goto(house)
    line = waiting.locator("[data-out=link]")
    expect(line).to_have_text("too many people are waiting already; try again later", timeout=30_000)
    page.close()
    expect(line).to_have_text("connected", timeout=30_000)  # it tried again by itself
    waiting.close()


def test_who_sleeps_makes_room(browser: Browser, house: str, page: Page, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lobby, "IDLE_SECONDS", 1.0)
    waiting = browser.new_page()
    waiting.goto(house)
    waiting.wait_for_function("window.playground && window.playground.state().t >= 1", timeout=30_000)
    expect(page.locator("[data-out=link]")).to_have_text("closed while you were away; reload to come back")
    waiting.close()


def test_a_small_experiment_runs_live_to_its_report(page: Page, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment_runner, "EPISODES", 1)
    page.click("[data-do=experiments]")
    page.click("nav button:has-text('▶ zero-shot')")
    page.click("article button")
    progress = page.locator("article [role=status]")
    expect(progress).to_contain_text("running")
    expect(page.locator("article button")).to_be_disabled()
    expect(progress).to_contain_text("done in", timeout=600_000)
    expect(page.locator("article table").first).to_contain_text(experiment_runner.SMALL["zero-shot"])
    page.wait_for_function("document.querySelector('article img').naturalWidth > 100")
