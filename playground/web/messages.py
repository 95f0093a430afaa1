"""How messages to the page are packed."""

import json
import struct
from typing import Any


def packed(header: dict[str, Any], picture: bytes | None) -> bytes:
    """A message to the page: 4 bytes length, JSON, perhaps a JPEG."""
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + (picture or b"")
