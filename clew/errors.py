"""Every error that Clew raises on purpose.

A message says what happened, what it was given and what to do next. `exit_code` is what the command line returns.
Errors that an effect can end with are recorded in the journal by class name and come back as the same class on replay.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ClewError(Exception):
    """Base of all of Clew's errors; `str(error)` is one clear sentence for a person."""

    exit_code: ClassVar[int] = 1
    _by_name: ClassVar[dict[str, type[ClewError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ClewError._by_name[cls.__name__] = cls

    @staticmethod
    def rebuild(cause: str, message: str) -> ClewError:
        """The error that a journal recorded as (`cause`, `message`); an unknown cause becomes `EffectFailed`."""
        cls = ClewError._by_name.get(cause, EffectFailed)
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        return error


class ConfigError(ClewError):
    """A setting or an argument is missing, malformed or contradicts another."""

    exit_code = 2


# Journal ---------------------------------------------------------------------------------------------------------


class JournalError(ClewError):
    """The journal file cannot be opened, read or written."""

    exit_code = 3


class SchemaTooNew(JournalError):
    """The journal file was written by a newer Clew."""


class RunNotFound(JournalError):
    """No run of that id (or of that unambiguous prefix) is in the journal."""


class RunBusy(JournalError):
    """Another live process owns the run."""


class Divergence(JournalError):
    """The graph, prompts, models or version differ from those that the run was recorded with."""


class AmbiguousScope(JournalError):
    """Two effects in flight have one address; give each branch its own `scope`."""


class ReplayMiss(JournalError):
    """A replay asked for an effect that is not recorded, or (strict) left recorded ones unused."""


# Effects ---------------------------------------------------------------------------------------------------------


class Refused(ClewError):
    """A budget limit refused an effect before it was performed; the message starts with the limit's name."""

    exit_code = 4

    def __init__(self, limit: str, detail: str) -> None:
        super().__init__(f"{limit}: {detail}")

    @property
    def limit(self) -> str:
        """`tokens`, `usd`, `seconds`, `model_calls`, `searches` or `code_runs`."""
        return str(self).partition(":")[0]


class EffectFailed(ClewError):
    """An effect was performed and failed."""

    exit_code = 5


class ModelError(EffectFailed):
    """A model call failed for a reason that no subclass names."""


class ModelAuthError(ModelError):
    """The key is missing, wrong or not allowed to use the model."""


class ModelNotFound(ModelError):
    """The server does not know the model."""


class ModelUnreachable(ModelError):
    """No connection to the server, after retries."""


class ModelTimeout(ModelError):
    """The server did not answer in time, after retries."""


class RateLimited(ModelError):
    """The server kept asking to slow down, after retries."""


class ContextOverflow(ModelError):
    """Prompt plus `max_tokens` do not fit the model's context window."""


class ModelRequestRejected(ModelError):
    """The server rejected the request itself (4xx); a retry would not help."""


class BadReply(ModelError):
    """The server's reply is not what its protocol promises (malformed JSON, no choices, cut stream)."""


class ContentFiltered(ModelError):
    """The provider's filter withheld the reply."""


class Unsupported(ModelError):
    """The model or its server lacks the asked capability."""


class RetrievalError(EffectFailed):
    """Indexing, searching or reading failed."""


class SearchFailed(RetrievalError):
    """The search engine raised, timed out or answered with an error."""


class PageFailed(RetrievalError):
    """A page could not be read."""


class StoreBusy(RetrievalError):
    """Another process holds the folder of the embedded store."""


class StoreMismatch(RetrievalError):
    """The store was built with another embedding model or other chunking."""


class EmptyCorpus(RetrievalError):
    """Nothing that can be indexed was found."""


class SandboxFailed(EffectFailed):
    """A program could not be run, or was lost, for a reason outside of it: no Docker Engine, no image, a container that
    the host killed. A program that fails, is too slow or too big is an `Execution`."""


class ImageMissing(SandboxFailed):
    """The Docker Engine does not have the image."""


class WheelsMissing(EffectFailed):
    """Packages that tests need cannot be fetched as wheels: no network, no wheel for the sandbox's Python, or versions
    that exclude each other. `packages` are those without a wheel, and those that required them."""

    packages: tuple[str, ...] = ()

    def __init__(self, message: str, packages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.packages = packages


class ToolFailed(EffectFailed):
    """A tool server could not be reached, did not answer in time, or answered with an error of its protocol."""


# Repair ----------------------------------------------------------------------------------------------------------


class RepositoryError(ClewError):
    """A repository cannot be read or copied: no git repository, no such commit, no such file, no git."""

    exit_code = 2


class NotText(RepositoryError):
    """A file is no text that can be edited: binary, not UTF-8, a link, a submodule, or too big."""


class PatchRefused(RepositoryError):
    """A patch does not apply, or touches what no patch may touch."""
