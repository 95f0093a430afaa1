"""The page's script reads and prints prompts as Python does: both are held to `tests/prompt_specs.json`."""

import base64
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, JSHandle

from playground.prompt_spec import EDITS, PromptSpec
from tests.test_prompt_spec import EXAMPLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def script(browser: Browser) -> Iterator[JSHandle]:
    """The script's module, in a page of its own."""
    page = browser.new_page()
    source = (files("playground.web") / "static" / "prompt_spec.js").read_bytes()
    address = "data:text/javascript;base64," + base64.b64encode(source).decode()
    yield page.evaluate_handle("address => import(address)", address)
    page.close()


def test_texts_are_read_printed_and_labelled(script: JSHandle):
    found = script.evaluate(
        """(script, texts) => texts.map((text) => {
          const spec = script.parse(text);
          return { ...spec, canonical: script.print(spec), label: script.label(text) };
        })""",
        [example["text"] for example in EXAMPLES["valid"]],
    )
    assert found == [{key: value for key, value in example.items() if key != "text"} for example in EXAMPLES["valid"]]
    assert (
        script.evaluate("script => [undefined, null].map((text) => script.print(script.parse(text)))") == ["none"] * 2
    )


def test_what_is_no_prompt_is_refused(script: JSHandle):
    taken = script.evaluate(
        """(script, texts) => texts.filter((text) => {
          try { script.parse(text); return true; } catch { return false; }
        })""",
        [example["text"] for example in EXAMPLES["invalid"]],
    )
    assert taken == []


def test_edits_are_toggled_alike(script: JSHandle):
    def toggled(text: str, edit: str) -> Any:
        return script.evaluate(
            "(script, [text, edit]) => script.print(script.toggled(script.parse(text), edit))", [text, edit]
        )

    for example in EXAMPLES["valid"]:
        for edit in EDITS:
            assert toggled(example["text"], edit) == str(PromptSpec.parse(example["text"]).toggled(edit))


def test_a_label_leaves_out_what_is_known(script: JSHandle):
    label = "script => script.label('a/b#1[2:]+yours/9f#4+c/d#0', 'a/b', ['yours/9f#3', 'yours/9f#4'])"
    assert script.evaluate(label) == "#1 2–end + yours 2 + d #0"
