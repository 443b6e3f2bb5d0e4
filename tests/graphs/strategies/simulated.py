"""A model whose strength is declared: it answers each problem right with a probability, from a seed, so that what a
strategy makes of it is known in closed form.

Every reply is a function of the request: of the problem in its prompt and of the `seed` that Clew sends, which differs
from sample to sample and stays the same when a run is repeated. So samples are independent, and two strategies that ask
the same at the same address are told the same.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import clew
from clew.evals.tasks import Gold, Item, TaskSet
from clew.testing import Reply, Request, ScriptedServer, vllm

_NUMBER = re.compile(r"What is the word of problem (\d+)\?")
_JUDGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """`p` is the chance of a right answer, `told` that after a useful lesson; wrong answers are spread evenly over
    `wrong` values."""

    number: int
    p: float
    told: float = 0.0
    wrong: int = 1

    @property
    def item(self) -> Item:
        task = clew.Task(id=str(self.number), prompt=f"What is the word of problem {self.number}?")
        return Item(task=task, gold=Gold(answers=(self.right,)))

    @property
    def right(self) -> str:
        return f"right{self.number}"


def problems(count: int, ps: Sequence[float], *, told: float = 0.0, wrong: int = 1) -> list[Problem]:
    """`count` problems whose probabilities go through `ps` in turn."""
    return [Problem(number, ps[number % len(ps)], told, wrong) for number in range(count)]


def task_set(given: Sequence[Problem]) -> TaskSet:
    return TaskSet("simulated", tuple(problem.item for problem in given))


@dataclass(frozen=True)
class Simulated:
    """The model as a script.

    `insight` is the chance that, asked to rate an answer, it sees whether the answer is right (0.5: it knows nothing).
    `lesson` is what it writes when it reflects; a prompt that holds `phrase` has been told something useful.
    """

    problems: Sequence[Problem]
    seed: int = 0
    insight: float = 0.5
    lesson: str = ""
    phrase: str = "count the vowels"

    def __call__(self, request: Request) -> Reply:
        prompt = request.prompt
        problem = self.problems[int(_NUMBER.findall(prompt)[-1])]
        draw = random.Random(f"{self.seed} {problem.number} {request.body['seed']}")
        if "Rating: N" in prompt:
            return self._rating(problem, prompt, draw)
        if "Write the five lines for this attempt" in prompt:
            return Reply(self.lesson)
        p = problem.told if self.phrase in prompt else problem.p
        answer = problem.right if draw.random() < p else f"wrong{draw.randrange(problem.wrong)}"
        return Reply(f"I think it is \\boxed{{{answer}}}.")

    def _rating(self, problem: Problem, prompt: str, draw: random.Random) -> Reply:
        sees = draw.random() < self.insight
        right = _JUDGED.findall(prompt)[-1] == problem.right
        return Reply(f"I looked at it.\nRating: {draw.randint(7, 10) if sees == right else draw.randint(0, 3)}")

    def serve(self) -> ScriptedServer:
        return ScriptedServer(self, features=vllm)


def model(server: ScriptedServer, **options: object) -> clew.Model:
    return clew.Model("hosted_vllm/simulated", api_base=server.url, **options)  # type: ignore[arg-type]


# Closed forms ------------------------------------------------------------------------------------------------------


def binomial(n: int, c: int, p: float) -> float:
    """The chance of c right answers among n."""
    return math.comb(n, c) * p**c * (1 - p) ** (n - c)


def expected(n: int, p: float, value: Callable[[int], float]) -> tuple[float, float]:
    """Mean and variance of `value(c)`, c right answers among n."""
    mean = sum(binomial(n, c, p) * value(c) for c in range(n + 1))
    return mean, sum(binomial(n, c, p) * (value(c) - mean) ** 2 for c in range(n + 1))


def deviations(found: float, moments: Sequence[tuple[float, float]]) -> float:
    """By how many standard deviations `found`, a mean over problems, differs from the mean of `moments`, one (mean,
    variance) per problem."""
    mean = sum(mean for mean, _ in moments) / len(moments)
    deviation = math.sqrt(sum(variance for _, variance in moments)) / len(moments)
    return (found - mean) / deviation if deviation else (0.0 if math.isclose(found, mean) else math.inf)
