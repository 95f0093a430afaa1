"""In a real browser: the questions that the page lets a visitor put to an agent's prompt, and what it does with files,
tabs and links. The agent has learnt nothing, but it thinks."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from playground import assets, domains
from playground.collecting.ship import ship_task
from playground.demonstrations import shipped, shipped_counts
from playground.prompt_spec import PromptSpec
from playground.scores import reference_scores
from playground.viewing.panel import Panel
from playground.web import transfers
from playground.web.server import build_app
from tests.conftest import OTHER, TASK
from tests.web.browsing import at_start, card, faults, opened, pause, pixels, state, until
from tests.web.conftest import serving

pytestmark = pytest.mark.slow

BODY, FOREIGN, TARGET = "babyai/GoToObjS4", "classic/CartPole", "classic/CartPole-hidden"
"""Demonstrated too: tasks of the same domain and another scene, of another domain, and with a number as goal."""


@pytest.fixture(scope="module")
def address(demonstrations: None, checkpoint: Path) -> Iterator[str]:
    """Address of a server whose visitors watch an untrained agent."""
    for task in (BODY, FOREIGN, TARGET):
        ship_task((task, 2))
    scores = {TARGET: {"random": 0.0, "expert": 1.0, "episodes": 50}}
    (assets.ASSETS / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    for cache in (reference_scores, shipped_counts):
        cache.cache_clear()
    with serving(build_app("model", str(checkpoint), TASK)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = opened(browser, address)
    yield page
    assert faults(page) == []
    page.close()


def test_three_and_four_prompts_are_compared_in_step(page: Page):
    at_start(page)
    goal, seed = state(page)["goal"], state(page)["seed"]
    for number in (1, 2, 3):
        page.locator(f".pg-card[data-name='{TASK}#{number}'] .pg-plus").click()
        until(page, f"s.others.length == {number} && !s.busy")
        page.keyboard.press(".")
        until(page, "s.t == 1 && s.others.every((other) => other.t == 1)")
        live = page.locator(".pg-live")
        expect(live).to_have_count(number + 1)
        scores = page.locator(".pg-score")
        expect(scores.first).to_have_text(re.compile(r"^return -?\d+\.\d\d$"))
        for n in range(1, number + 1):
            expect(scores.nth(n)).to_have_text(re.compile(r"^return -?\d+\.\d\d · differs \d\.\d\d bit$"))
        expect(page.locator(".pg-live b")).to_have_text([f"#{n}" for n in range(number + 1)])
        boxes = [figure.bounding_box() for figure in live.all()]
        for box in boxes:
            assert box["x"] >= 0 and box["x"] + box["width"] <= 1440 and box["y"] + box["height"] <= 900
            assert box["width"] > 150 and box["height"] > 150
            assert not any(_overlap(box, other) for other in boxes if other is not box)
    others = state(page)["others"]
    assert [other["prompt"] for other in others] == [f"{TASK}#{n}" for n in (1, 2, 3)]
    assert all((other["goal"], other["seed"]) == (goal, seed) for other in others)
    assert all(0 < other["divergence"] <= 1 for other in others)
    page.locator(f".pg-card[data-name='{OTHER}#0'] .pg-plus").click()
    expect(page.locator("[data-out=error]")).to_contain_text("4 prompts are compared already; drop one first")
    page.locator(".pg-drop").nth(2).click()
    until(page, "s.others.length == 2 && s.others[1].prompt.endsWith('#3')")


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(
        one[at] + 1 < other[at] + other[size] and other[at] + 1 < one[at] + one[size]
        for at, size in (("x", "width"), ("y", "height"))
    )


def test_prompts_of_other_tasks_and_domains_are_experiments(page: Page):
    groups = ["this task", "same world, another task", "other tasks", "other domains"]
    expect(page.locator(".pg-gallery h3")).to_have_text(groups)
    expect(card(page, f"{BODY}#0").locator("em")).to_have_text("other body")
    expect(card(page, f"{FOREIGN}#0").locator("em")).to_have_text("other domain")
    at_start(page)
    for name in (f"{BODY}#0", f"{FOREIGN}#0"):
        before = state(page)
        card(page, name).click()
        until(page, f"s.prompt == '{name}'")
        page.keyboard.press(".")
        until(page, f"s.t == {before['t'] + 1} && s.acted == '{name}' && s.prompt_steps > 0")
        after = state(page)
        assert all(after[key] == before[key] for key in ("task", "episode", "seed", "goal", "error"))
        expect(page.locator("[data-out=clip]")).to_have_text(name.partition("/")[2].replace("#", " #"))
        page.wait_for_function("window.playground.missing() == 0", timeout=30_000)
    page.wait_for_function("window.playground.attention()?.length == window.playground.promptInfo()[0].read.length")


def test_speed_is_kept_and_a_slow_machine_says_so(page: Page, monkeypatch: pytest.MonkeyPatch):
    ratio = page.locator("[data-out=ratio]")
    for speed in (0.5, 0.25, 0.125):
        page.keyboard.press("-")
        until(page, f"s.speed == {speed}")
    expect(page.locator("[data-do=speed]")).to_have_value("0.125")
    until(page, "s.ratio > 0")
    assert state(page)["ratio"] < 0.15  # never faster than asked for, however fast the machine is
    step = Panel.step

    def slow(panel: Panel, *action: Any) -> Any:
        time.sleep(0.3)
        return step(panel, *action)

    monkeypatch.setattr(Panel, "step", slow)  # a machine with which ten steps a second cannot be had
    page.select_option("[data-do=speed]", "1")
    expect(ratio).to_have_attribute("data-slow", "true")
    expect(ratio).to_have_text(re.compile(r"^0\.[0-3]\d× · \d+/s$"))
    bad = page.evaluate("getComputedStyle(document.querySelector('.pg')).getPropertyValue('--pg-bad')")
    page.evaluate("bad => document.querySelector('.pg-guide').style.color = bad", bad)
    colour = "node => getComputedStyle(node).color"
    assert ratio.evaluate(colour) == page.locator(".pg-guide").evaluate(colour)
    page.select_option("[data-do=speed]", "max")  # nothing is promised, so nothing is broken
    until(page, "s.speed == 'max' && s.ratio > 0")
    expect(ratio).to_have_attribute("data-slow", "false")


def test_score_reward_and_distance_are_plotted_with_the_swaps(page: Page):
    expect(page.locator("[data-plot=distance]")).to_be_hidden()  # the goal here is a text
    page.click("[data-domain=classic]")
    until(page, "s.task.startsWith('classic/')")
    page.select_option("[data-do=task]", TARGET)
    until(page, f"s.task == '{TARGET}' && s.prompt == '{TARGET}#0'")
    at_start(page)
    for t in (1, 2, 3):
        page.keyboard.press(".")
        until(page, f"s.t == {t}")
    card(page, f"{TARGET}#1").click()
    page.keyboard.press(".")
    until(page, f"s.t == 4 && s.acted == '{TARGET}#1'")
    assert state(page)["history"] == [[0, f"{TARGET}#0"], [3, f"{TARGET}#1"]]
    expect(page.locator("[data-out=score]")).to_have_text("–")  # the episode can still be solved
    expect(page.locator("[data-out=achieved]")).to_have_text(re.compile(r"^so far \(-?\d\.\d\d\) · \d\.\d\d away$"))
    tint = page.evaluate("name => window.playground.tint(name)", f"{TARGET}#1")
    drawn = []
    for kind in ("distance", "reward", "return"):
        page.click(f"[data-plot={kind}]")
        expect(page.locator(f"[data-plot={kind}]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-plot][aria-pressed=true]")).to_have_count(1)
        page.wait_for_timeout(250)
        assert pixels(page, "plot", list(bytes.fromhex(tint[1:]))) > 20  # the mark of the swap
        drawn.append(page.evaluate("document.querySelector('[data-view=plot]').toDataURL()"))
    assert drawn[0] not in drawn[1:]
    while not (now := state(page))["done"]:
        page.keyboard.press(".")
        until(page, f"s.t == {now['t'] + 1}")
    expect(page.locator("[data-out=score]")).to_have_text(re.compile(r"^-?\d+ %$"))


def test_the_guide_offers_nothing_from_the_world_that_was_left(page: Page):
    guide, text = page.locator("[data-do=guide]"), page.locator("[data-out=guide]")
    expect(guide).to_contain_text("swap to ")
    held: list[Any] = []
    page.route("**/pg/gallery?task=classic*", lambda route: held.append(route))  # a gallery that takes its time
    guide.click()  # and a swap that is still to come
    page.click("[data-domain=classic]")
    until(page, f"s.task == '{FOREIGN}'")
    expect(guide).to_be_hidden()
    expect(text).to_contain_text("One agent, many worlds")
    page.wait_for_timeout(300)
    held[0].continue_()
    expect(text).to_contain_text("The agent was shown “CartPole #0”")
    expect(guide).to_have_text(f"swap to {TARGET.partition('/')[2]} #0 and watch")


def test_the_ghost_is_the_demonstration_and_what_is_done_by_hand_is_told(page: Page):
    page.wait_for_function("window.playground.missing() == 0", timeout=30_000)
    at_start(page)
    page.click("[data-view=clip]")
    expect(page.locator("[data-out=clipstep]")).to_contain_text("paused")
    page.keyboard.press("g")
    ghost = page.locator(".pg-ghost")
    expect(ghost).to_be_visible()
    expect(page.locator("[data-do=ghost]")).to_have_attribute("aria-pressed", "true")
    show = "node => node.toDataURL()"
    assert ghost.evaluate(show) == page.locator("[data-view=clip]").evaluate(show)
    assert 0 < float(ghost.evaluate("node => getComputedStyle(node).opacity")) < 1
    page.keyboard.press("g")
    expect(ghost).to_be_hidden()
    page.keyboard.press("l")
    expect(page.locator("[data-out=kept]")).not_to_contain_text("by hand")
    page.keyboard.press("b")
    page.keyboard.press(".")
    until(page, "s.t == 1 && s.blind && s.touched")
    expect(page.locator("[data-do=blind]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("l")
    expect(page.locator("[data-out=kept]")).to_contain_text("what you did by hand is not in it")


def test_files_that_are_none_are_refused_and_nothing_is_lost(page: Page):
    good = transfers.zipped(shipped(OTHER)[0], domains.make(OTHER))
    bad = {
        "large.zip": (bytes(transfers.MAX_UPLOAD + 1), "more than 8 MB"),
        "film.mp4": (b"\0\0\0 ftypisom" + bytes(2000), "no whole zip file"),
        "torn.zip": (good[: len(good) // 2], "no whole zip file"),
        "nothing.zip": (b"", "no whole zip file"),
    }
    page.wait_for_timeout(300)
    before, cards = state(page), page.locator(".pg-card").count()
    said = page.locator("[data-out=kept]")
    for name, (content, cause) in bad.items():
        page.evaluate("document.querySelector('[data-out=kept]').textContent = ''")
        page.set_input_files("[data-do=file]", {"name": name, "mimeType": "application/zip", "buffer": content})
        expect(said).to_contain_text(cause, timeout=15_000)
    after = state(page)
    assert after["playing"] and not after["error"] and after["prompt"] == before["prompt"]
    assert (after["episode"], after["t"]) != (before["episode"], before["t"])
    assert page.locator(".pg-card").count() == cards
    assert page.evaluate("window.playground.connections()") == 1
    page.set_input_files("[data-do=file]", {"name": "good.zip", "mimeType": "application/zip", "buffer": good})
    until(page, "s.prompt.startsWith('yours/') && s.acted == s.prompt")
    assert page.locator(".pg-card").count() == cards + 1


def test_two_tabs_of_one_visitor_have_a_world_each(browser: Browser, address: str):
    context = browser.new_context()
    one, other = opened(context, address), opened(context, address)
    pause(one)
    card(other, f"{TASK}#2").click()
    until(other, f"s.acted == '{TASK}#2'")
    assert state(one)["prompt"] == f"{TASK}#0" and not state(one)["playing"]
    other.close()
    one.keyboard.press("r")
    until(one, "s.t == 0 && !s.error")
    one.keyboard.press(" ")
    until(one, "s.playing && s.t >= 1")
    assert faults(one) == [] and one.evaluate("window.playground.connections()") == 1
    context.close()


def test_a_link_leads_to_the_same_end(page: Page, browser: Browser):
    """Another task, a seed, an edited prompt, two swaps; and without the agent's name the server's own acts."""

    def end(page: Page) -> Any:
        found = "s.done && s.seed == 12 && [s.task, s.agent, s.t, s.return, s.goal, s.history]"
        handle = page.wait_for_function(
            f"(() => {{ const s = window.playground.state(); return {found}; }})()", timeout=60_000
        )
        return handle.json_value()

    page.select_option("[data-do=task]", OTHER)
    until(page, f"s.task == '{OTHER}'")
    pause(page)
    page.click("[data-edit=reversed]")
    until(page, f"s.prompt == '{OTHER}#0~reversed'")
    page.fill("[data-do=seed]", "12")
    page.keyboard.press("Enter")
    until(page, "s.seed == 12 && s.t == 0")
    for t, prompt in ((1, f"{OTHER}#1"), (3, f"{TASK}#2")):
        while state(page)["t"] < t:
            now = state(page)["t"]
            page.keyboard.press(".")
            until(page, f"s.t == {now + 1}")
        card(page, prompt).click()
        until(page, f"s.prompt == '{prompt}'")
    page.keyboard.press("l")
    page.wait_for_function("location.hash.length > 1")
    (written,) = re.findall(r"&prompt=([^&]*)", page.url)
    assert written == str(PromptSpec.parse(written)) == f"{OTHER}#0~reversed"  # as it is typed behind --prompt
    page.select_option("[data-do=speed]", "8")
    page.keyboard.press(" ")
    wanted = end(page)
    assert wanted[5] == [[0, f"{OTHER}#0~reversed"], [1, f"{OTHER}#1"], [3, f"{TASK}#2"]]
    start, _, link = page.url.replace("agent=model&", "").partition("#")
    for form in (link, link.replace("#", "%23").replace("/", "%2F").replace(":", "%3A")):  # links were escaped before
        other = opened(browser, f"{start}#{form}")
        assert end(other) == wanted
        other.close()


def test_a_link_to_nowhere_leaves_a_world_to_look_at(browser: Browser, address: str):
    page = browser.new_page()
    page.goto(f"{address}#task=babyai/Nonsense&seed=3&prompt=none")
    expect(page.locator("[data-out=error]")).to_contain_text("unknown task 'babyai/Nonsense'")
    assert state(page)["task"] == TASK
    page.keyboard.press(" ")
    until(page, "s.playing && !s.error && s.t >= 1")
    page.close()
