"""The page in a real browser: it runs, obeys, keeps the world at a swap, and visitors do not disturb each other."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from playground import assets
from playground.demonstrations import shipped
from playground.viewing.keymap import PAGE, bindings
from tests.conftest import OTHER, TASK
from tests.web.browsing import at_start, card, faults, opened, pause, picture, pixels, state, until

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = opened(browser, address)
    yield page
    page.close()


def test_opens_offline_without_errors_and_moves(page: Page):
    before = picture(page)
    page.wait_for_function(
        "before => document.querySelector('[data-view=live]').toDataURL() != before", arg=before, timeout=10_000
    )
    assert faults(page) == []
    assert state(page)["task"] == TASK
    expect(page.locator(".pg-live b")).to_have_text("expert in GoToLocal-hidden")


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
    page.wait_for_function("window.playground.state().t == 0")
    page.keyboard.press(".")
    page.wait_for_function("window.playground.state().t == 1")
    page.wait_for_timeout(200)
    before, drawn = state(page), picture(page)
    page.wait_for_function("document.querySelector('[data-out=clip]').textContent.startsWith('GoToLocal-hidden #0')")
    card(page, f"{TASK}#1").click()
    page.wait_for_function(f"window.playground.state().prompt == '{TASK}#1'")
    after = state(page)
    assert (after["t"], after["episode"], after["return"], after["goal"]) == (
        before["t"],
        before["episode"],
        before["return"],
        before["goal"],
    )
    assert picture(page) == drawn
    page.wait_for_function("document.querySelector('[data-out=clip]').textContent.startsWith('GoToLocal-hidden #1')")
    expect(page.locator(f".pg-card[data-name='{TASK}#1']")).to_have_attribute("aria-current", "true")
    assert page.text_content("[data-out=note]") == ""
    page.keyboard.press(".")
    page.wait_for_function(f"window.playground.state().acted == '{TASK}#1'")
    assert state(page)["t"] == before["t"] + 1
    page.wait_for_timeout(200)
    assert pixels(page, "plot", [59, 130, 246]) > 20  # the mark of the swap, in the second prompt's colour


def test_the_gallery_shows_thumbnails_with_goal_and_length(page: Page):
    episode = shipped(TASK)[2]
    about = page.locator(f".pg-card[data-name='{TASK}#2'] .pg-cap")
    expect(about).to_contain_text(f"#2 · {episode.goal}")
    expect(about).to_contain_text(f"{len(episode)} steps")
    expect(page.locator(".pg-gallery h3")).to_have_text(["this task", "same world, another task"])
    row = page.locator(f".pg-card[data-name='{TASK}#2'] .pg-thumbnails")
    page.wait_for_function(
        "row => row.style.backgroundImage.startsWith('url')", arg=row.element_handle(), timeout=30_000
    )
    page.keyboard.press("3")
    until(page, f"s.prompt == '{TASK}#2'")


def test_prompts_of_other_tasks_and_edits_and_no_prompt(page: Page):
    card(page, f"{OTHER}#0").click()
    until(page, f"s.acted == '{OTHER}#0'")
    page.click("[data-edit=reversed]")
    page.click("[data-edit=actions-only]")
    until(page, f"s.acted == '{OTHER}#0~reversed~actions-only'")
    expect(page.locator("[data-out=note]")).to_have_text("the agent is shown the actions only")
    page.click("[data-do=whole]")
    until(page, f"s.acted == '{OTHER}#0'")
    page.click("[data-do=join]")
    card(page, f"{TASK}#1").click()
    until(page, f"s.acted == '{OTHER}#0+{TASK}#1'")
    page.click("[data-edit=shuffled]")
    page.click("[data-edit=observations-only]")
    until(page, f"s.acted == '{OTHER}#0+{TASK}#1~shuffled~observations-only'")
    page.click("[data-do=whole]")
    page.select_option("[data-do=stride]", "2")  # before the page has heard of what came before
    until(page, f"s.acted == '{OTHER}#0[0::2]+{TASK}#1[0::2]'")
    page.click("[data-do=noprompt]")
    until(page, "s.acted === null")
    expect(page.locator(".pg-live i").first).to_have_text("without a prompt")
    assert state(page)["error"] == ""


def test_a_drag_over_the_timeline_cuts(page: Page):
    card(page, f"{TASK}#2").click()
    until(page, f"s.prompt == '{TASK}#2' && window.playground.promptInfo()[0].prompt == s.prompt")
    steps = page.evaluate("window.playground.promptInfo()[0].segments[0].steps.length")
    box = page.locator("[data-view=timeline]").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3.5 / steps, box["y"] + 20, steps=4)
    page.mouse.up()
    until(page, f"s.prompt == '{TASK}#2[0:4]'")


def test_drive_push_blindfold_and_keep(page: Page):
    at_start(page)
    page.keyboard.press(" ")
    page.keyboard.press("d")
    until(page, "s.driving && s.playing")
    before = state(page)["t"]
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    until(page, f"s.t == {before + 4} && s.touched")
    page.keyboard.press("t")
    until(page, "s.prompt.startsWith('yours/')")
    expect(page.locator(".pg-card").first).to_contain_text("recording 1")
    page.keyboard.press("d")
    page.keyboard.press("b")
    until(page, "s.blind")
    expect(page.locator(".pg-dark")).to_be_visible()
    page.keyboard.press("b")
    page.click("[data-do=push]")
    until(page, "!s.blind && !s.error")


def test_episode_and_video_are_saved_and_an_episode_is_taken_in(page: Page, tmp_path: Path):
    at_start(page)
    for t in range(1, 5):
        page.keyboard.press(".")
        until(page, f"s.t == {t}")
    with page.expect_download() as download:
        page.click("[data-do=download]")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    page.set_input_files("[data-do=file]", file)
    until(page, "s.prompt.startsWith('yours/')")
    page.set_input_files("[data-do=file]", Path(__file__))
    expect(page.locator("[data-out=kept]")).to_contain_text("no whole zip file")
    page.keyboard.press("v")
    until(page, "s.recording")
    page.keyboard.press(".")
    page.keyboard.press(".")
    with page.expect_download() as download:
        page.keyboard.press("v")
    assert download.value.suggested_filename.endswith(".mp4")


def test_ghost_speed_theme_plot_and_help(page: Page):
    page.keyboard.press("g")
    expect(page.locator(".pg-ghost")).to_be_visible(timeout=30_000)
    page.keyboard.press("+")
    until(page, "s.speed == 2")
    page.select_option("[data-do=speed]", "max")
    until(page, "s.speed == 'max'")
    expect(page.locator("[data-out=ratio]")).to_have_text(re.compile(r"^\d+\.\d\d× · \d+/s$"))
    dark = "document.body.classList.contains('dark')"
    before = page.evaluate(dark)
    page.click("[data-do=theme]")
    assert page.evaluate(dark) != before
    page.click("[data-plot=reward]")
    expect(page.locator("[data-plot=reward]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.locator("[data-out=help]")).to_be_visible()
    shown = page.locator(".pg-keytable > div").all_inner_texts()
    assert [text.split("\n") for text in shown] == [[key.label, key.help] for key in bindings(PAGE)]
    expect(page.locator("[data-do=drive] kbd")).to_have_text("d")
    expect(page.locator("[data-do=noprompt]")).to_have_attribute("title", "take the prompt away (0)")


def test_every_action_of_the_key_table_is_obeyed(page: Page):
    handled = page.evaluate("window.playground.actions()")
    assert {binding.action for binding in bindings(PAGE)} <= set(handled)
    expect(card(page, f"{TASK}#1")).to_be_visible()  # until then there is no second prompt
    for key, wanted in (
        ("0", "s.prompt == 'none'"),
        ("2", f"s.prompt == '{TASK}#1'"),
        ("s", "s.prompt.endsWith('~shuffled')"),
    ):
        page.keyboard.press(key)
        until(page, wanted)
    page.keyboard.press("m")
    until(page, "s.camera == 'as the agent sees it'")
    page.keyboard.press("c")
    until(page, "s.others.length == 1")
    page.keyboard.press("c")
    until(page, "s.others.length == 0")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_nothing_scrolls_on_a_desk_and_nothing_sticks_out_on_a_phone(
    browser: Browser, address: str, width: int, height: int
):
    page = opened(browser, address, width, height)
    sizes = page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
    assert sizes[1] <= width and (width < 900 or sizes[0] <= height)
    nameless = page.evaluate(
        "[...document.querySelectorAll('.pg button, .pg select, .pg input:not([hidden]), .pg canvas[role]')]"
        ".filter(n => n.checkVisibility() && !(n.textContent.trim() || n.ariaLabel || n.labels?.length || n.title))"
        ".map(n => n.outerHTML)"
    )
    assert nameless == []
    if width > 900:  # a phone's chips are scrolled
        row = page.locator(".pg-chips").bounding_box()
        chips = [chip.bounding_box() for chip in page.locator(".pg-chips button").all()]
        assert row is not None and len(chips) > 4
        assert all(chip is not None and chip["x"] + chip["width"] <= row["x"] + row["width"] + 1 for chip in chips)
    page.close()


def test_the_guide_leads_through_the_first_minute(page: Page):
    guide = page.locator("[data-do=guide]")
    expect(guide).to_contain_text("swap to")
    guide.click()
    until(page, f"s.acted == '{OTHER}#0' && s.history.length == 2")
    (start, before), (swap, after) = state(page)["history"]
    assert (start, before, after) == (0, f"{TASK}#0", f"{OTHER}#0") and swap >= 1  # a live swap, with its mark
    expect(guide).to_have_text("compare side by side")
    guide.click()
    until(page, "s.others.length == 1")
    assert (state(page)["prompt"], state(page)["others"][0]["prompt"]) == (f"{OTHER}#0", f"{TASK}#0")
    guide.click()
    until(page, "s.others.length == 0")
    expect(guide).to_be_hidden()


def test_a_body_is_pulled_with_the_mouse_and_steered_with_keys_that_are_held(page: Page):
    page.evaluate("window.playground.send({open: {task: 'dm_control/cartpole-balance'}, playing: false})")
    until(page, "s.task == 'dm_control/cartpole-balance' && s.t == 0 && !s.playing")
    before = picture(page)
    box = page.locator("[data-view=live]").bounding_box()
    side = min(box["width"], box["height"])
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 0.05 * side  # the cart
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + side / 2, y, steps=3)
    page.keyboard.press(".")
    until(page, "s.t == 1 && s.touched")
    page.mouse.up()
    expect(page.locator("[data-out=kept]")).to_have_text("")  # else it says that nothing there can be pulled
    page.select_option("[data-do=camera]", "near")
    page.wait_for_function(
        "before => document.querySelector('[data-view=live]').toDataURL() != before", arg=before, timeout=30_000
    )
    page.keyboard.press("d")
    until(page, "s.driving")
    page.keyboard.down("ArrowRight")
    page.keyboard.press(".")
    until(page, "s.t == 2 && s.action[0] == 1 && s.proposed[0] < 1")
    page.keyboard.up("ArrowRight")
    page.keyboard.press("d")
    until(page, "!s.driving")

    def fate(push: bool) -> float:
        page.keyboard.press("r")
        until(page, "s.t == 0 && !s.touched")
        if push:
            page.keyboard.press("p")
            until(page, "s.touched")
        for t in (1, 2, 3):
            page.keyboard.press(".")
            until(page, f"s.t == {t}")
        return state(page)["proposed"]

    left_alone = fate(push=False)
    assert fate(push=True) != left_alone == fate(push=False)


def test_shipped_reports_are_shown_with_their_figures(page: Page):
    folder = assets.ASSETS / "experiments" / "grid"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text(
        "# Does it turn?\n\n![how often](figure.png)\n\n| turns |\n| --- |\n| 3 |\n", encoding="utf-8"
    )
    Image.new("RGB", (120, 80), "white").save(folder / "figure.png")
    page.click("[data-do=experiments]")
    expect(page.locator("dialog nav button").first).to_have_text("Does it turn?")
    expect(page.locator("dialog article td")).to_have_text("3")
    page.wait_for_function("document.querySelector('dialog article img').naturalWidth == 120")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_another_task_and_another_agent(page: Page):
    page.select_option("[data-do=task]", OTHER)
    until(page, f"s.task == '{OTHER}' && s.prompt == '{OTHER}#0'")
    page.select_option("[data-do=agent]", "random")
    until(page, "s.agent == 'random'")
    expect(page.locator(".pg-live b").first).to_have_text("random in GoToLocalS5N2-hidden")


def test_an_error_is_shown_and_the_session_survives(page: Page):
    page.evaluate("window.playground.send({prompt: 'babyai/Nonsense#3'})")
    expect(page.locator("[data-out=error]")).to_contain_text("unknown demonstration")
    page.click("[data-do=play]")
    page.wait_for_function("window.playground.state().playing && !window.playground.state().error")
    page.evaluate("window.playground.send({open: {task: 'babyai/Nonsense'}})")
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
