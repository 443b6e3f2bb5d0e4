"""What calls cost: reserved before, counted after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.journal import Cost
from clew.models.pricing import Price
from clew.models.raw import Raw
from clew.models.reply import Usage
from clew.models.tokens import estimate


@dataclass(frozen=True, slots=True)
class Meter:
    """Counts tokens and money at a price; None = the price is unknown."""

    price: Price | None

    def cost(self, prompt: int, completion: int, calls: int = 1, estimated: bool = True) -> Cost:
        """The cost of `prompt` and `completion` tokens."""
        usd = self.price.usd(prompt, completion) if self.price else None
        return Cost(tokens=prompt + completion, usd=usd, model_calls=calls, estimated=estimated)

    def record(self, raw: Raw, prompt: int) -> dict[str, Any]:
        """`usage` and `usd` of a reply for its outcome; what the server did not count is estimated."""
        usage = self.usage(raw, prompt)
        written = (raw.usage or {}).get("written", 0)
        usd = self.price.usd(usage.input, usage.output, usage.cached, written) if self.price else None
        return {"usage": usage.to_json(), "usd": usd}

    def spent(self, outcome: dict[str, Any], prompt: int) -> Cost:
        """The cost that an outcome records. A try that broke off after the server had begun was probably billed for its
        prompt; a probe inside the call counts too."""
        usage = Usage(**outcome["usage"])
        cost = Cost(usage.total, outcome["usd"], model_calls=1, estimated=usage.estimated)
        if outcome.get("lost"):
            cost += self.cost(prompt * outcome["lost"], 0, calls=0)
        return cost + self.of_probe(outcome)

    def of_probe(self, outcome: dict[str, Any]) -> Cost:
        """The cost of a probe's requests; they do not count as model calls, since a known server needs none."""
        taken = outcome.get("probe")
        return self.cost(taken["input"], taken["output"], calls=0, estimated=False) if taken else Cost()

    @staticmethod
    def usage(raw: Raw, prompt: int) -> Usage:
        counted = raw.usage
        if counted is None:
            calls = "".join(call["function"]["arguments"] or "" for call in raw.tool_calls)
            return Usage(prompt, sum(map(estimate, (raw.text, raw.reasoning, calls))), estimated=True)
        return Usage(counted["input"], counted["output"], counted["cached"], counted["reasoning"])
