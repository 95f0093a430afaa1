"""The one table of keys: nothing in it contradicts, and what a page is sent says all of it."""

import json
from collections import Counter
from itertools import groupby

from playground.viewing.keymap import BOTH, KEYMAP, PAGE, WINDOW, actions, bindings, to_json


def test_a_key_has_one_meaning_and_an_action_one_row():
    assert max(Counter(key for binding in KEYMAP for key in binding.keys).values()) == 1
    assert max(Counter(binding.action for binding in KEYMAP).values()) == 1


def test_every_row_can_be_read_and_groups_stand_together():
    assert all(binding.label and binding.help and set(binding.screens) <= set(BOTH) for binding in KEYMAP)
    for screen in BOTH:
        groups = [group for group, _ in groupby(bindings(screen), lambda binding: binding.group)]
        assert len(groups) == len(set(groups))


def test_the_screens_share_what_both_have():
    page, window = actions(PAGE), actions(WINDOW)
    assert all(page[key] == window[key] for key in page.keys() & window.keys())
    shared = {"play", "step", "reset", "new", "slower", "faster", "compare", "drive", "take", "record", "help"}
    assert shared <= {*page.values()} & {*window.values()}


def test_a_page_is_sent_its_rows_and_labels():
    sent = json.loads(json.dumps(to_json(PAGE)))
    assert [row["action"] for row in sent["bindings"]] == [binding.action for binding in bindings(PAGE)]
    assert sent["bindings"][0]["label"] == sent["labels"][" "] == "space"
    assert "overlays" not in {row["action"] for row in sent["bindings"]}
