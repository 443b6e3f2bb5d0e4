"""Which option an answer chooses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from clew.scoring.text import normalise

_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
_LEAD = re.compile(
    r"^\W*(?:the )?(?:(?:correct |final )?answer|option|choice)(?: is)?\b(?: option| choice)?", re.IGNORECASE
)
# A letter alone, in brackets, or before a mark and the option's text; "A man" is no choice of A.
_LETTER = re.compile(r"^\W*([A-Za-z])(?:\W*$|\)|[.:,]\W*\s|\s+[-–—]\s)(.*)$", re.DOTALL)
_ANOTHER = re.compile(r"(?:^|\b(?:and|or)\s|[,;]\s*)\W*(?:option |choice )?[A-Z](?:\W*$|[.:),])")


def chosen(text: str, options: Mapping[str, str] | None = None) -> str | None:
    """The capital letter of the option that `text` chooses: "B", "(b)", "B. Paris", "Option B", or the text of one of
    `options` (letter to text) after normalisation. None for anything else, for several letters, and for a letter that
    is no option."""
    options = options or {}
    plain = normalise(text)
    said = [letter for letter, option in options.items() if plain and normalise(str(option)) == plain]
    if len(said) == 1:
        return said[0].upper()
    match = _LETTER.match(_LEAD.sub("", _WRAPPED.sub(r"\1", text.strip())))
    if match is None or _ANOTHER.search(match.group(2)):
        return None
    letter = match.group(1).upper()
    return letter if not options or letter in {name.upper() for name in options} else None
