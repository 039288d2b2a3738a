"""Plain text: a file's characters, or the finding that it holds none."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE

#: Control characters that no text has; tabs, line ends and form feeds it may have.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")
#: What DOS ends a text with.
_END = "\x1a"


def plain_text(raw: bytes) -> str | None:
    r"""Return the text in a file's bytes, or nothing where they are a program or an image.

    Parameters
    ----------
    raw : bytes
        UTF-8, UTF-16 with its mark, or an older encoding, whose letters beyond ASCII then
        come as question marks.

    Examples
    --------
    >>> plain_text(b"new line.a")
    'new line.a'
    >>> plain_text(b"PK\x03\x04") is None
    True
    """
    wide = raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = raw.decode("utf-16" if wide else "utf-8", errors="replace")
    return None if _NO_TEXT.search(text) else text.rstrip(_END)
