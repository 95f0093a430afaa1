"""Every text survives its tokens; missions take one token a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from playground.tokens.text import TEXT_VOCABULARY, WORDS, decode_text, encode_text

WORDY = st.lists(st.sampled_from([*WORDS, "greenish", "re", "a,b", " "]), max_size=8).map(" ".join)
TEXT = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), WORDY)


@given(TEXT)
def test_round_trip(text: str):
    ids = encode_text(text)
    assert ids.dtype == np.int64 and (ids > 0).all() and (ids < TEXT_VOCABULARY).all()
    assert decode_text(ids) == text
    assert decode_text(np.pad(ids, (0, 3))) == text


def test_a_known_word_is_one_token():
    assert len(encode_text("put the red ball next to the green key")) == 9
    assert len(encode_text("")) == 0


def test_a_word_inside_another_is_not_split_off():
    assert decode_text(encode_text("go")[:1]) == "go" and len(encode_text("gone")) == 5
