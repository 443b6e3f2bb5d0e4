"""Whether an answer says that it is not known."""

from __future__ import annotations

import re

# An answer that says no more than that it is not known is short; beyond this it is prose with an answer in it.
_LONGEST = 400

_ADVERB = r"(?:(?:currently|explicitly|directly|simply|still|yet|publicly|clearly|definitively|really|also) )?"
_NOT = r"(?:not|n't)"
_UNKNOWN = (
    r"(?:unknown|unclear|undetermined|unspecified|unstated|indeterminate|indeterminable|unanswerable|unavailable|uncertain"
    rf"|not {_ADVERB}(?:known|clear|stated|specified|mentioned|given|provided|found|available|determined|determinable"
    r"|disclosed|recorded|documented|reported|answerable|answered|sure|certain|applicable"
    r"|possible to (?:say|tell|know|determine|answer|find out)))"
)
_THING = r"(?:the (?:final |correct )?answer|the question|this question|the information|this information|it|this|that)"
_SOURCE = (
    r"(?:(?:the|these|those|this|that|my|any|all|none|of|provided|given|available|retrieved|supplied|above|search) )*"
    r"(?:documents?|contexts?|texts?|passages?|sources?|articles?|corpus|results?|information|evidence|pages?)"
    r"(?: (?:provided|given|available|found|retrieved|above))?"
)
_SAY = r"(?:say|state|mention|specify|contain|provide|give|include|tell|answer|indicate|reveal|have|support|cover)s?"
_FIND = r"(?:determine|answer|find|tell|say|know|identify|establish|infer|verify|confirm|provide|give)"
_FOUND = (
    r"(?:determined|answered|known|found|inferred|established|said|verified|identified|ascertained|confirmed|given)"
)
_MATTER = (
    r"(?:(?:relevant|sufficient|specific|clear|definite|definitive|known|further|such|supporting) )*"
    r"(?:answers?|information|evidence|data|details?|mention|records?|context|documents?|results?|passages?)"
)
# What may follow: where it was looked for, or what is not known. Not "how to" or "why": titles of songs begin so.
_TAIL = (
    r"(?:(?:,? \(?(?:not in|in|from|based on|by|with|within|for|about|on|of|as|because|since|given|at"
    r"|to (?:answer|determine|tell|say|know|decide|find)|who|whom|whose|what|when|where|which|whether|if|that"
    r"|how (?:many|much|long|old|often|far)|this|the|it|any|such|enough|sufficient|found|available|provided|stated"
    r"|answer)\b[^,]*)(?:, (?!but\b)[^,]*)?)?"
)

_ABSTENTION = re.compile(
    "(?:"
    + "|".join(
        (
            rf"(?:{_THING} (?:is|was|remains|are) )?{_ADVERB}{_UNKNOWN}{_TAIL}",
            rf"(?:i|we) (?:do {_NOT}|don't|did {_NOT}|didn't|cannot|can't|can not|could not|couldn't|am unable to"
            rf"|are unable to) {_ADVERB}{_FIND}{_TAIL}",
            rf"(?:i am|i'm|we are|we're) (?:not {_ADVERB}(?:sure|certain|aware)|unsure|uncertain|unaware){_TAIL}",
            rf"(?:i am |i'm |we are )?unable to {_FIND}{_TAIL}",
            rf"(?:{_THING} )?(?:cannot|can't|can not|could not|couldn't) be {_ADVERB}{_FOUND}{_TAIL}",
            rf"(?:cannot|can't|can not|could not|couldn't) {_FIND}{_TAIL}",
            rf"{_SOURCE} (?:do|does|did)(?: not|n't) {_ADVERB}{_SAY}\b.*",
            rf"(?:there (?:is|was|are|were) )?(?:no|insufficient|not enough) {_MATTER}"
            rf"(?: (?:is|was|are|were|could be|can be))?(?: (?:available|found|given|provided|known|possible))?{_TAIL}",
            rf"none of {_SOURCE} {_SAY}\b.*",
            r"(?:no ?one|nobody) knows",
            r"n/a|idk|no idea|noanswer|no_answer|dunno",
        )
    )
    + ")",
    re.IGNORECASE,
)
# "I do not know, but probably Paris" is an answer.
_HEDGE = re.compile(
    r"\b(?:but|however|although|though|probably|likely|perhaps|maybe|possibly|presumably)\b", re.IGNORECASE
)
_WRAPPED = re.compile(r"^\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}$")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_SENTENCE = re.compile(r"[.;!?]+\s+|\n+")


def abstains(text: str) -> bool:
    """Whether the whole of `text` says that the answer is not known: nothing at all, "unknown", "I don't know", "cannot
    be determined", "no answer", "the documents do not say", and what is like them, in English.

    The words inside a real answer do not count ("Unknown Pleasures", "The Unknown Soldier"), and neither does a guess
    that begins with doubt ("not known, but probably Paris"). "None" and "no" are answers.
    """
    text = text.strip().replace("’", "'")
    wrapped = _WRAPPED.match(text)
    text = wrapped.group(1) if wrapped else text
    if len(text) > _LONGEST or _HEDGE.search(text):
        return False
    sentences = [_EDGES.sub("", sentence) for sentence in _SENTENCE.split(text)]
    return all(_ABSTENTION.fullmatch(" ".join(sentence.split())) for sentence in sentences if sentence)
