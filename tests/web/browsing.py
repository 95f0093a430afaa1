"""What tests in the browser do with a page."""

from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page


def opened(browser: Browser | BrowserContext, address: str, width: int = 1440, height: int = 900) -> Page:
    page: Any = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.outside = []
    page.errors = []
    host = address.split("#")[0]
    page.on("request", lambda r: r.url.startswith((host, "data:", "blob:", "ws:")) or page.outside.append(r.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.wait_for_function("window.playground && window.playground.state().t >= 1", timeout=60_000)
    return page


def faults(page: Any) -> list[str]:
    """Requests to other hosts, and errors of the page's scripts."""
    return page.outside + page.errors


def state(page: Page) -> dict:
    return page.evaluate("window.playground.state()")


def pause(page: Page) -> dict:
    page.click("[data-do=play]")
    page.wait_for_function("!window.playground.state().playing")
    page.wait_for_timeout(200)
    return state(page)


def picture(page: Page, view: str = "live") -> str:
    return page.evaluate(f"document.querySelector('[data-view={view}]').toDataURL()")


def pixels(page: Page, view: str, colour: list[int], top: float = 0.0) -> int:
    """How many pixels of a canvas, from a share of its height downwards, have exactly that colour."""
    return page.evaluate(
        """([view, [red, green, blue], top]) => {
          const canvas = document.querySelector(`[data-view=${view}]`), from = Math.round(canvas.height * top);
          const { data } = canvas.getContext('2d').getImageData(0, from, canvas.width, canvas.height - from);
          let count = 0;
          for (let i = 0; i < data.length; i += 4)
            count += data[i] === red && data[i + 1] === green && data[i + 2] === blue && data[i + 3] === 255;
          return count;
        }""",
        [view, colour, top],
    )


def card(page: Page, name: str) -> Locator:
    return page.locator(f".pg-card[data-name='{name}'] .pg-swap")


def until(page: Page, expression: str) -> None:
    page.wait_for_function(f"(() => {{ const s = window.playground.state(); return {expression}; }})()", timeout=60_000)


def at_start(page: Page) -> None:
    """Paused, at the first step of an episode."""
    pause(page)
    page.keyboard.press("r")
    until(page, "s.t == 0")
