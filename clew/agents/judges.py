"""Scorers by name, for strategies that are written as text. None of them knows a gold answer.

judge           the model rates each answer by itself; right is what it values at 0.7 or more
pairwise        the model compares answers in pairs, each in both orders
tests           tests of programs that the model writes itself, run in the sandbox
samples         the task's own sample inputs and outputs, on which programs are tried in the sandbox
reward          a reward model for answers, `reward:NAME`
process_reward  one for the steps of answers, `process_reward:NAME`

`judge:NAME`, `pairwise:NAME` and `tests:NAME` ask another model than that of the settings.
"""

from __future__ import annotations

from clew.agents import doors
from clew.agents.arguments import listed
from clew.config import Settings, nearest
from clew.scoring.verdict import Scorer

NAMES = ("judge", "pairwise", "tests", "samples", "reward", "process_reward")
# What judges where a strategy cannot do without a scorer and none is named.
DEFAULT = "judge"
_REWARDS = ("reward", "process_reward")
# From where a rating is `right`, as `reflexion` has it.
ACCEPT = 0.7


def checked(text: str) -> str:
    """The name of a scorer. Raises `ValueError` with what would fit."""
    name, colon, model = text.partition(":")
    if name not in NAMES:
        raise ValueError(f"{listed(NAMES)}{nearest(name, NAMES)}")
    if name in _REWARDS and not model.strip():
        raise ValueError(f"{name}:MODEL")
    if colon and (name == "samples" or not model.strip()):
        raise ValueError(name)
    return text


def model_of(text: str) -> str:
    """The language model that the name of a scorer holds; empty without one."""
    name, _, model = text.partition(":")
    return "" if name in _REWARDS else model.strip()


def computes(text: str) -> bool:
    """Whether the scorer needs a sandbox."""
    return text.partition(":")[0] in ("samples", "tests")


def scorer(text: str, settings: Settings, through: doors.Doors) -> Scorer:
    """The scorer that `text` names, with the models of the settings."""
    from clew.scoring.generated_tests import GeneratedTests
    from clew.scoring.preference import Preference
    from clew.scoring.rating import Rating
    from clew.scoring.reward import ProcessReward, RewardModel
    from clew.scoring.unit_tests import Samples

    name, _, given = text.partition(":")
    if name == "samples":
        return Samples(through.sandbox)
    if name in _REWARDS:
        reward = RewardModel if name == "reward" else ProcessReward
        return reward(given.strip(), api_base=settings.api_base, api_key=settings.api_key)
    model = doors.model(settings, given.strip() or None)
    if name == "tests":
        return GeneratedTests(model, through.sandbox)
    return Preference(model) if name == "pairwise" else Rating(model, accept=ACCEPT)
