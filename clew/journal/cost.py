"""What effects cost, and the budget that a whole tree of graphs shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from clew.errors import ConfigError, Refused


@dataclass(frozen=True, slots=True)
class Cost:
    """What one effect costs. `tokens` are prompt plus completion; `usd=None` means that the price is unknown;
    `estimated` marks counts that the server did not send."""

    tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0
    model_calls: int = 0
    searches: int = 0
    code_runs: int = 0
    estimated: bool = False

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.tokens + other.tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            self.seconds + other.seconds,
            self.model_calls + other.model_calls,
            self.searches + other.searches,
            self.code_runs + other.code_runs,
            self.estimated or other.estimated,
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + Cost(
            -other.tokens,
            None if other.usd is None else -other.usd,
            -other.seconds,
            -other.model_calls,
            -other.searches,
            -other.code_runs,
        )

    def to_json(self) -> dict[str, Any]:
        """Only the fields that differ from zero."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) not in (0, False)}

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> Cost:
        return cls(**(data or {}))


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run; `None` means no limit. Tokens count prompt and completion; seconds count active time only:
    the time between a kill and a resume is free. Raises `ConfigError` on a negative limit."""

    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    model_calls: int | None = None
    searches: int | None = None
    code_runs: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value >= 0:
                raise ConfigError(f"budget {field.name}={value!r} is not a limit: give a number of 0 or more")

    def limits(self) -> Iterator[tuple[str, float]]:
        """The limits that are set, without `seconds`, which the run's own clock decides."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name != "seconds":
                yield field.name, value

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def raised_by(self, other: Budget) -> Budget:
        """This budget with every limit that `other` sets."""
        return replace(self, **other.to_json())


FREE = Cost()
NO_LIMITS = Budget()


class Ledger:
    """The money of one run: spent, possibly spent (failed, or started and no outcome seen), reserved and held back.

    A limit counts all four, so that a run never starts what it could not pay for, and a kill never refunds anything.
    """

    def __init__(self, budget: Budget, spent: Cost = FREE, possibly: Cost = FREE) -> None:
        self.budget, self.spent, self.possibly = budget, spent, possibly
        self.reserved = FREE
        self.held = FREE
        self._limits = list(budget.limits())

    def check(self, asked: Cost, in_flight: bool = True) -> None:
        """Raises `Refused` when `asked` does not fit what is left; `in_flight` says whether what is reserved counts."""
        reserved = self.reserved if in_flight else FREE
        for name, limit in self._limits:
            parts = [getattr(part, name) for part in (asked, self.spent, self.possibly, reserved, self.held)]
            if not parts[0] and parts[0] is not None:
                continue
            if None in parts:
                whose = "the price of this model" if parts[0] is None else "the price of an earlier call"
                raise Refused(name, f"{whose} is unknown, so a money limit cannot be kept; give the model's price")
            want, taken = parts[0], sum(parts[1:])
            # A sum of prices is a float: a limit met exactly must not fail by a rounding error.
            if taken + want > limit * (1 + 1e-9):
                raise Refused(name, f"{_short(want)} asked, {_short(max(limit - taken, 0))} left of {_short(limit)}")

    def reserve(self, asked: Cost) -> None:
        """Takes `asked`, which was checked, until it is settled or lost."""
        self.reserved += _known(asked)

    def settle(self, asked: Cost, spent: Cost, possibly: Cost = FREE) -> None:
        """Ends a reservation: what was spent, and what may have been."""
        self.reserved -= _known(asked)
        self.spent += spent
        if possibly is not FREE:
            self.possibly += possibly


class Hold:
    """Budget set aside for one later effect, for example the final answer; pass it to that effect as `hold=`."""

    def __init__(self, ledger: Ledger, cost: Cost, changed: Callable[[bool], None] = lambda active: None) -> None:
        self._ledger, self._cost, self._changed, self._active = ledger, _known(cost), changed, False

    def release(self) -> None:
        """Gives the amount back to the run; harmless when called again."""
        if self._active:
            self._active = False
            self._ledger.held -= self._cost
            self._changed(False)

    def renew(self) -> None:
        """Takes the amount (again), without a check."""
        if not self._active:
            self._active = True
            self._ledger.held += self._cost
            self._changed(True)


def _known(cost: Cost) -> Cost:
    """Sums of reservations must stay numbers: an unknown price was checked already and reserves no money."""
    return cost if cost.usd is not None else replace(cost, usd=0.0)


def _short(value: float) -> str:
    return f"{value:.6g}"
