"""The proposer that is a model: localisation, choice of tests, reproduction tests, repair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clew.errors import ConfigError
from clew.graphs.base import Phase, check_limits, prompt_hashes
from clew.models import Model

from . import regression, repairing, reproduction
from .asking import CONTEXT_LIMIT, INTRODUCTION, Asker
from .job import Job
from .localise import Localiser, Search
from .regression import REGRESSION, RegressionStage
from .repairing import REPAIR, Repairer
from .reproduction import REPRODUCTION, ReproductionStage

_LEAST = {
    "top_n": 1, "file_list": 1, "top_chunks": 1, "folders_from": 1, "element_tries": 1, "location_samples": 1,
    "candidates": 1, "window": 0, "reproduction_samples": 0, "reproduction_enough": 1, "reproduction_keep": 1,
    "file_tokens": 1, "folder_tokens": 1, "element_tokens": 1, "location_tokens": 1, "regression_tokens": 1,
    "reproduction_tokens": 1, "repair_tokens": 1, "context_limit": 2_000,
}  # fmt: skip


class ModelProposer:
    """Patches by a model, in the fixed stages of Agentless. The model never chooses an action.

    Phases: files, elements, locations, regression (7b), reproduction (8a to 8c), repair; the last one makes a wave of
    candidates at a time, one for each location set. Defaults are those of the released recipe (specification of
    Agentless, section 3).

    Args:
        search: retrieval by chunks of code (`CodeSearch`); None: files are those that the model names.
        top_n: files of each list that are kept, and files shown as skeletons; default 3.
        file_list: most files that the model may name; default 5.
        top_chunks: chunks that retrieval finds; default 100.
        folders_from: source files from which on the model is asked for folders that retrieval leaves out; default 100
            (released code: always).
        element_tries: tries until an element, or a location, is found; default 5.
        location_samples: answers about edit locations; each that differs is a location set; default 4. One alone is
            greedy.
        candidates: for each location set, the first greedy; default 10.
        temperature: of samples that are not greedy, of locations, candidates and reproduction tests; default 0.8.
        window: lines shown on either side of a location; default 10.
        regression_select: ask which passing tests may break; default True.
        reproduction_samples: answers about a reproduction test; default 40; 0 makes none.
        reproduction_enough: so many scripts that find the issue end the sampling early; default 10.
        reproduction_keep: reproduction tests that judge a patch, by their votes; default 3 (released code: 1).
        file_tokens, folder_tokens, element_tokens, location_tokens: limits of the replies; default 300, 2048, 300, 300.
        regression_tokens, reproduction_tokens, repair_tokens: the same; default 1024 each. A reply that was cut off by
            its limit before it was of use is asked for again, once, with the model's own `max_tokens`.
        context_limit: most tokens of a prompt; default 128,000.

    Raises `ConfigError` for parameters that make no sense.
    """

    name = "model"
    mends_all = False

    def __init__(
        self,
        model: Model,
        *,
        search: Search | None = None,
        top_n: int = 3,
        file_list: int = 5,
        top_chunks: int = 100,
        folders_from: int = 100,
        element_tries: int = 5,
        location_samples: int = 4,
        candidates: int = 10,
        temperature: float = 0.8,
        window: int = 10,
        regression_select: bool = True,
        reproduction_samples: int = 40,
        reproduction_enough: int = 10,
        reproduction_keep: int = 3,
        file_tokens: int = 300,
        folder_tokens: int = 2048,
        element_tokens: int = 300,
        location_tokens: int = 300,
        regression_tokens: int = 1024,
        reproduction_tokens: int = 1024,
        repair_tokens: int = 1024,
        context_limit: int = CONTEXT_LIMIT,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _LEAST}
        check_limits("ModelProposer", given, _LEAST)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
            raise ConfigError(f"ModelProposer: temperature={temperature!r} makes no sense: give a number from 0 to 2")
        asker = Asker(model, context_limit)
        self.localiser = Localiser(
            model,
            search,
            top_n=top_n,
            file_list=file_list,
            top_chunks=top_chunks,
            folders_from=folders_from,
            element_tries=element_tries,
            location_samples=location_samples,
            location_temperature=temperature,
            window=window,
            file_tokens=file_tokens,
            folder_tokens=folder_tokens,
            element_tokens=element_tokens,
            location_tokens=location_tokens,
            context_limit=context_limit,
        )
        self.repairer = Repairer(asker, candidates, temperature, repair_tokens, window)
        self.regression = RegressionStage(
            asker, REPRODUCTION, regression_select, regression_tokens, reserve=self.repairer.reserve
        )
        self.reproduction = ReproductionStage(
            asker,
            REPAIR,
            reproduction_samples,
            reproduction_enough,
            reproduction_keep,
            temperature,
            reproduction_tokens,
            self.repairer.reserve,
        )
        self._given = {**given, "temperature": temperature, "regression_select": regression_select}

    def phases(self, job: Job) -> Mapping[str, Phase]:
        return {
            **self.localiser.phases(job, REGRESSION),
            **self.regression.phases(job),
            **self.reproduction.phases(job),
            **self.repairer.phases(job),
        }

    def fingerprint(self) -> dict[str, Any]:
        prompts = prompt_hashes(
            introduction=INTRODUCTION,
            regression=regression.STEP,
            reproduction=reproduction.STEP,
            repair=repairing.STEP + repairing.READ + repairing.LIKE_MARKERS,
            retry=repairing.UNUSABLE + repairing.EMPTY,
        )
        return {
            "proposer": self.name,
            "prompts": prompts,
            "limits": dict(self._given),
            "localiser": self.localiser.fingerprint(),
        }
