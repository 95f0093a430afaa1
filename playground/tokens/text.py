"""Text to tokens and back with a small vocabulary of our own: common words of the missions, bytes for the rest.

Gato's 32,000 SentencePiece subwords are not public. A word token stands for the word with the space before it;
encoding puts one space before the text and decoding takes it off, so every string survives the round trip.
"""

import re
from functools import lru_cache

import numpy as np

_WORDS = (
    "a after and ball behind blue box door front get go green grey in key left next object of on open pick purple put "
    "red right room the then to turn up yellow you your"
)
WORDS = tuple(_WORDS.split())
FIRST_BYTE = 1
FIRST_WORD = FIRST_BYTE + 256
PADDING = 0
TEXT_VOCABULARY = 1024
"""Text ids lie in [0, 1024); 0 pads."""

_ID = {f" {word}": FIRST_WORD + i for i, word in enumerate(WORDS)}
_PIECE = re.compile("|".join(f"{re.escape(piece)}(?![a-z])" for piece in sorted(_ID, key=len, reverse=True)))


def encode_text(text: str) -> np.ndarray:
    """Text -> token ids int64 [L]; the empty text has none."""
    return np.array(_ids(text), np.int64)


@lru_cache(maxsize=1024)
def _ids(text: str) -> tuple[int, ...]:
    """A text's token ids; missions stay the same for many timesteps."""
    rest, ids = f" {text}" if text else "", []
    while rest:
        match = _PIECE.match(rest)
        if match:
            ids.append(_ID[match[0]])
            rest = rest[match.end() :]
        else:
            ids.extend(FIRST_BYTE + byte for byte in rest[0].encode())
            rest = rest[1:]
    return tuple(ids)


def decode_text(ids: np.ndarray) -> str:
    """Token ids -> text; padding is skipped."""
    parts = bytearray()
    for id in np.asarray(ids).tolist():
        if id >= FIRST_WORD:
            parts += f" {WORDS[id - FIRST_WORD]}".encode()
        elif id != PADDING:
            parts.append(id - FIRST_BYTE)
    return parts.decode(errors="replace")[1:]
