"""Made-up words, each of which belongs to one seed and split.

A word is read as runs of consonants and vowels, so it tells the numbers that it was spelled from. A fixed permutation
deals all stems out to blocks; block `3 * seed + split` owns its stems alone. Suffixes of towns and mountains start with
`w` or `f`, which no word holds after its first letters, and no word of as many syllables ends in the `ite` of
minerals: so a suffixed name still tells its word. Two worlds of different (seed, split) therefore share no word,
whatever their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, zip_longest
from math import prod
from random import Random

from clew.errors import ConfigError
from clew.evals.tasks.labyrinth import stopwords

SPLITS = ("train", "dev", "test")
SEEDS = 10_000

ONSETS = (
    "", "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j", "k", "kl", "kr",
    "l", "m", "n", "p", "pl", "pr", "r", "s", "sh", "sk", "sl", "sm", "sn", "sp", "st", "str", "t", "th", "tr", "v",
    "vr", "y", "z",
)  # fmt: skip
PLAIN = ("", *"bcdfghjklmnprstvyz", "br", "dr", "fl", "gr", "kr", "pr", "sh", "st", "th", "tr")
SMOOTH = (*"bdgklmnprstvz", "ll", "nn", "rr", "ss", "th")
_ROUGH = """
bb dd gg mm pp tt br dr gr kr pr tr vr bl gl kl pl lb ld lg lk lm ln lp lt lv ls lst mb mp md mn nd ng nk nt ns nst nz
ndr ntr nv rb rd rg rk rl rm rn rp rs rt rv rz rst rtr sk sp st str sh sl sm sn lth rth nth ch ck lch rch nch dl tl gn
vn zd zm mbr
"""
ROUGH = tuple(_ROUGH.split())
_GENTLE = "nd rd ld st sk lm rn lv nt rv mb dr tr sh ch lt mm rm"
GENTLE = SMOOTH + tuple(_GENTLE.split())
MEDIALS = SMOOTH + ROUGH
VOWELS = tuple("aeiou")
FIRST = (*VOWELS, "ea")
SECOND = (*VOWELS, "y")
# No `e`, so that no long word ends as minerals do.
LAST = tuple("aiou")
# Each pair gives one-letter twins on the same stem.
ENDINGS = (
    ("", "h"), ("n", "m"), ("r", "l"), ("s", "t"), ("d", "g"), ("th", "sh"), ("rn", "rm"), ("rd", "rt"),
    ("ld", "lt"), ("nd", "nt"), ("sk", "st"), ("ll", "ss"), ("ck", "ch"), ("k", "x"),
)  # fmt: skip
OPEN, SOFT, HARD = (0,), (1, 2, 3), tuple(range(4, len(ENDINGS)))
ANY = OPEN + SOFT + HARD

_STOP = frozenset(stopwords.TEXT.split())
_BLOCKS = SEEDS * len(SPLITS)
_ROUNDS = 4

# The shapes of stems, as the inventory of each run. No two shapes spell one stem, for they differ in the number of
# vowels. The last is drawn on only by large worlds.
SHAPES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (ONSETS, FIRST, MEDIALS, SECOND),
    (PLAIN, VOWELS, SMOOTH, VOWELS, GENTLE, VOWELS),
    (PLAIN, VOWELS, SMOOTH, VOWELS, SMOOTH, VOWELS, GENTLE, LAST),
)


def block(seed: int, split: str) -> int:
    """The number of the block of words of (seed, split). Raises `ConfigError` outside of the range."""
    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}: choose train, dev or test")
    if not 0 <= seed < SEEDS:
        raise ConfigError(f"the seed is {seed!r}: choose 0 to {SEEDS - 1}, within which no two worlds share a name")
    return seed * len(SPLITS) + SPLITS.index(split)


def _hash(*parts: int) -> int:
    return int.from_bytes(blake2b(",".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def permuted(index: int, left: int, right: int, key: int) -> int:
    """A bijection of [0, left * right): each round adds to one half a hash of the other."""
    a, b = divmod(index, right)
    for turn in range(_ROUNDS):
        a = (a + _hash(key, turn, 0, b)) % left
        b = (b + _hash(key, turn, 1, a)) % right
    return a * right + b


def stems(number: int, shape: int, pair: int) -> Iterator[str]:
    """The stems of one shape that block `number` owns for one pair of endings."""
    runs = SHAPES[shape]
    right = prod(map(len, runs[-2:]))
    left = prod(map(len, runs[:-2]))
    size = left * right // _BLOCKS
    for index in range(number * size, (number + 1) * size):
        code = permuted(index, left, right, shape * len(ENDINGS) + pair)
        letters = []
        for run in reversed(runs):
            code, digit = divmod(code, len(run))
            letters.append(run[digit])
        yield "".join(reversed(letters))


class Words:
    """The words of one (seed, split), each given out once, capitalised, in an order fixed by the seed."""

    def __init__(self, seed: int, split: str) -> None:
        self._block = block(seed, split)
        self._rng = Random(f"labyrinth words {seed} {split}")
        self._queues = [self._stems(pair) for pair in range(len(ENDINGS))]
        self._twins: dict[str, str] = {}

    def take(self, kinds: Sequence[int] = ANY) -> str:
        """A word with one of these endings (indices of `ENDINGS`), or with another where they are used up."""
        for pair in (self._rng.choice(kinds), *kinds, *ANY):
            stem = next(self._queues[pair], None)
            if stem is not None:
                word, twin = (stem + ending for ending in ENDINGS[pair])
                self._twins[word.capitalize()] = twin.capitalize()
                return word.capitalize()
        if self._twins:
            return self._twins.popitem()[1]
        raise ConfigError("this seed has no words left: make a smaller world")

    def twin(self, word: str) -> str | None:
        """The word that differs from `word` in its last letters only, once."""
        return self._twins.pop(word, None)

    def _stems(self, pair: int) -> Iterator[str]:
        short, middle, long = (stems(self._block, shape, pair) for shape in range(len(SHAPES)))
        mixed = (stem for both in zip_longest(short, middle) for stem in both if stem)
        for stem in chain(mixed, long):
            if all(usable(stem + ending) for ending in ENDINGS[pair]):
                yield stem


def usable(word: str) -> bool:
    """Whether `word` is long enough to be a name, not in the stop list, and easy on the tongue."""
    return len(word) >= 5 and word not in _STOP and not any(part in word for part in _UGLY)


_UGLY = (
    "nigg", "fuck", "shit", "cunt", "fag", "nazi", "rape", "slut", "kkk", "dick", "cock", "tits", "anus", "penis",
    "sss", "lll", "ttt", "yia", "jew", "arab", "islam",
)  # fmt: skip
