"""The page in a real browser: it runs, obeys, keeps the world at a swap, and visitors do not disturb each other."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import OTHER, TASK

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = opened(browser, address)
    yield page
    page.close()


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.outside = []
    page.errors = []
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:", "ws:")) or page.outside.append(r.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("window.playground && window.playground.state().t >= 1", timeout=30_000)
    return page


def state(page: Page) -> dict:
    return page.evaluate("window.playground.state()")


def pause(page: Page) -> dict:
    page.click("[data-do=play]")
    page.wait_for_function("!window.playground.state().playing")
    page.wait_for_timeout(200)
    return state(page)


def picture(page: Page, view: str = "live") -> str:
    return page.evaluate(f"document.querySelector('[data-view={view}]').toDataURL()")


def choose(page: Page, chooser: str, label: str) -> None:
    page.fill(f"#{chooser} input", label)
    page.locator("[role=option]", has_text=label).first.click()


def test_opens_offline_without_errors_and_moves(page: Page):
    before = picture(page)
    page.wait_for_function(
        "before => document.querySelector('[data-view=live]').toDataURL() != before", arg=before, timeout=10_000
    )
    assert page.outside == [] and page.errors == []
    assert state(page)["task"] == TASK
    expect(page.locator("[data-out=title]")).to_have_text("expert in GoToLocal-hidden")


def test_pause_stops_and_step_adds_one(page: Page):
    paused = pause(page)
    page.wait_for_timeout(600)
    assert (state(page)["episode"], state(page)["t"]) == (paused["episode"], paused["t"])
    page.click("[data-do=reset]")
    page.wait_for_function("window.playground.state().t == 0")
    for t in (1, 2):
        page.keyboard.press(".")
        page.wait_for_function(f"window.playground.state().t == {t}")
    expect(page.locator("[data-out=t]")).to_contain_text("2 /")
    page.keyboard.press(" ")
    page.wait_for_function("window.playground.state().playing")


def test_reset_gives_the_same_start_and_a_seed_another(page: Page):
    pause(page)
    page.fill("[data-do=seed]", "7")
    page.keyboard.press("Enter")
    page.wait_for_function("window.playground.state().seed == 7 && window.playground.state().t == 0")
    page.wait_for_timeout(200)
    first = picture(page)
    page.keyboard.press(".")
    page.wait_for_function("window.playground.state().t == 1")
    page.keyboard.press("r")
    page.wait_for_function("window.playground.state().t == 0")
    page.wait_for_timeout(200)
    assert picture(page) == first
    page.fill("[data-do=seed]", "8")
    page.keyboard.press("Enter")
    page.wait_for_function("window.playground.state().seed == 8")
    page.wait_for_timeout(200)
    assert picture(page) != first


def test_swap_keeps_world_and_time_and_shows_the_other_demonstration(page: Page):
    pause(page)
    page.keyboard.press("r")
    page.keyboard.press(".")
    page.wait_for_function("window.playground.state().t == 1")
    before, drawn = state(page), picture(page)
    page.wait_for_function("document.querySelector('[data-out=reel]').textContent.startsWith('GoToLocal-hidden#0')")
    choose(page, "prompt", "#1 ·")
    page.wait_for_function(f"window.playground.state().prompt == '{TASK}#1'")
    after = state(page)
    assert (after["t"], after["episode"], after["return"], after["goal"]) == (
        before["t"],
        before["episode"],
        before["return"],
        before["goal"],
    )
    assert picture(page) == drawn
    page.wait_for_function("document.querySelector('[data-out=reel]').textContent.startsWith('GoToLocal-hidden#1')")
    assert page.text_content("[data-out=note]") == ""
    page.keyboard.press(".")
    page.wait_for_function(f"window.playground.state().acted == '{TASK}#1'")
    assert state(page)["t"] == before["t"] + 1


def test_prompts_of_other_tasks_and_no_prompt(page: Page):
    choose(page, "prompt", "GoToLocalS5N2-hidden #0")
    page.wait_for_function(f"window.playground.state().acted == '{OTHER}#0'")
    choose(page, "prompt", "no prompt")
    page.wait_for_function("window.playground.state().acted === null")
    expect(page.locator("[data-out=under]")).to_have_text("without a prompt")
    assert state(page)["error"] == ""


def test_another_task_and_another_agent(page: Page):
    choose(page, "task", "GoToLocalS5N2-hidden")
    page.wait_for_function(f"window.playground.state().task == '{OTHER}'", timeout=15_000)
    page.wait_for_function(f"window.playground.state().prompt == '{OTHER}#0'")
    choose(page, "agent", "random")
    page.wait_for_function("window.playground.state().agent == 'random'")
    expect(page.locator("[data-out=title]")).to_have_text("random in GoToLocalS5N2-hidden")


def test_an_error_is_shown_and_the_session_survives(page: Page):
    page.evaluate("window.playground.send({prompt: 'babyai/Nonsense#3'})")
    expect(page.locator("[data-out=error]")).to_contain_text("unknown demonstration")
    page.click("[data-do=play]")
    page.wait_for_function("window.playground.state().playing && !window.playground.state().error")
    page.evaluate("window.playground.send({task: 'babyai/Nonsense'})")
    expect(page.locator("[data-out=error]")).to_contain_text("unknown task")
    assert state(page)["task"] == TASK


def test_two_visitors_are_independent(page: Page, browser: Browser, address: str):
    other = opened(browser, address)
    paused = pause(page)
    other.click("[data-do=new]")
    other.wait_for_function("window.playground.state().seed > 0")
    assert state(other)["playing"] and state(page)["t"] == paused["t"] and state(page)["seed"] == paused["seed"]
    other.close()


def test_a_lost_connection_finds_its_session_again(page: Page):
    pause(page)
    before = state(page)
    page.evaluate("window.playground.drop()")
    page.wait_for_function("window.playground.connections() == 2")
    page.keyboard.press(".")
    page.wait_for_function(f"window.playground.state().t != {before['t']}")
    assert state(page)["seed"] in (before["seed"], before["seed"] + 1)


def test_typing_a_seed_presses_no_buttons(page: Page):
    page.focus("[data-do=seed]")
    page.keyboard.press(".")
    page.keyboard.press("r")
    page.wait_for_timeout(300)
    assert state(page)["playing"]
