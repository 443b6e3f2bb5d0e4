"""Settings: what they are, where their values come from, and which of them wins.

Command line > environment (`CLEW_MODEL`) > `./clew.toml` > `~/.config/clew/config.toml` > default.
Both files hold the same flat keys, for example `model = "openai/gpt-5-mini"`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

from clew.errors import ConfigError

PREFIX = "CLEW_"
# Variables that steer the program without being settings of a run.
NOT_SETTINGS = frozenset({"CLEW_DEBUG"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; `origin(name)` says where a value came from.

    model           LiteLLM's name of the model: provider/name, or openai/NAME for any OpenAI-compatible server
    api_base        address of the server, for example http://localhost:8000/v1; None: the provider's own
    api_key         secret; None: the provider's own variable, such as OPENAI_API_KEY
    reader_model    model of Reason-in-Documents; None: `model`
    embedder        "offline" (MiniLM from the extra `offline`), a folder, or a name on the Hugging Face hub
    store           folder of the embedded vector store, or http://HOST:6333/COLLECTION of a Qdrant server
    store_key       secret: the key of that server
    rerank          cross-encoder that orders the best passages: a folder, or a name on the hub; None: none does
    journal         file of the journal
    method          the method of `ask` (`clew ask --help` names them), with options: corag:strategy=best_of_n,n=4;
                    strategies stand around it: vote(rag, n=5)
    sandbox         where programs run: docker, process (no boundary), or auto: docker where an Engine answers
    image           image of the Docker sandbox; None: the one that `clew sandbox build` makes
    memory          folder of what is remembered from run to run, or http://HOST:6333/COLLECTION
    temperature     None: the method's own
    max_tokens      of one model call; None: the method's own
    timeout         seconds of one model call; None: the model's own
    price_in        US dollars per million input tokens, and
    price_out       per million output tokens, for a model whose price is unknown
    max_searches    searches of one question; None: the method's own
    top_k           hits of one search; None: the method's own
    budget_tokens   limits of one run: prompt plus completion tokens,
    budget_usd      US dollars,
    budget_seconds  active seconds
    """

    model: str | None = None
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    reader_model: str | None = None
    embedder: str = "offline"
    store: str = ".clew/store"
    store_key: str | None = field(default=None, repr=False)
    rerank: str | None = None
    journal: str = ".clew/journal.db"
    method: str = "search_o1"
    sandbox: str = "auto"
    image: str | None = None
    memory: str = ".clew/memory"
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float | None = None
    price_in: float | None = None
    price_out: float | None = None
    max_searches: int | None = None
    top_k: int | None = None
    budget_tokens: int | None = None
    budget_usd: float | None = None
    budget_seconds: float | None = None
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)

    def origin(self, name: str) -> str:
        """`command line`, the name of an environment variable, the path of a file, or `default`."""
        return self.origins.get(name, "default")

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """(name, value for people, origin) of every setting, secrets masked."""
        for name in NAMES:
            value = getattr(self, name)
            text = "not set" if value is None else "set" if name in SECRETS else without_login(str(value))
            yield name, text, self.origin(name)


SECRETS = frozenset({"api_key", "store_key"})
NAMES = tuple(f.name for f in fields(Settings) if f.name != "origins")
_TYPES: dict[str, type] = {
    name: next((part for part in get_args(hint) if part is not type(None)), hint)
    for name, hint in get_type_hints(Settings).items()
    if name in NAMES
}
_AT_LEAST = {
    "temperature": 0, "max_tokens": 1, "timeout": 0, "price_in": 0, "price_out": 0, "max_searches": 0, "top_k": 1,
    "budget_tokens": 0, "budget_usd": 0, "budget_seconds": 0,
}  # fmt: skip


def load(
    given: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings in force. `given` comes from the command line, where None means not given; `env` defaults to
    the process's environment, `folder` (which may hold `clew.toml`) to the current one.

    Raises `ConfigError` naming file, key, value and the nearest valid key.
    """
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(name: str, value: Any, origin: str, where: str) -> None:
        values[name], origins[name] = checked(name, value, where), origin

    for path in (user_file(env), (folder or Path()) / "clew.toml"):
        for key, value in _read(path).items():
            if key not in NAMES:
                raise ConfigError(f"{path}: unknown setting {key!r} (value {_safe(key, value)}){nearest(key, NAMES)}")
            take(key, value, str(path), f"{path}: {key}")
    for name in NAMES:
        variable = PREFIX + name.upper()
        if env.get(variable):
            take(name, _parsed(name, env[variable]), variable, variable)
    for name, value in (given or {}).items():
        if value is not None:
            take(name, value, "command line", "--" + name.replace("_", "-"))
    return Settings(**values, origins=origins)


def without_login(address: str) -> str:
    """`address` without the user name and password that a URL may hold."""
    if "://" not in address or "@" not in address:
        return address
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def user_file(env: Mapping[str, str] | None = None) -> Path:
    """`$XDG_CONFIG_HOME/clew/config.toml`, else `~/.config/clew/config.toml`."""
    env = os.environ if env is None else env
    home = env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or Path.home()) / ".config"
    return Path(home) / "clew" / "config.toml"


def unknown_variables(env: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like settings and are none, each with the nearest one that is."""
    valid = {PREFIX + name.upper() for name in NAMES}
    return [
        name + nearest(name, sorted(valid))
        for name in sorted(os.environ if env is None else env)
        if name.startswith(PREFIX) and name not in valid | NOT_SETTINGS
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): correct or remove it") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): correct its permissions or remove it") from error


def _parsed(name: str, text: str) -> Any:
    """`text` of an environment variable as a number where the setting is one; `checked` complains about the rest."""
    for kind in {int: (int,), float: (int, float)}.get(_TYPES[name], ()):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def checked(name: str, value: Any, where: str) -> Any:
    """`value` if it fits the setting `name`; else raises `ConfigError`, naming it as `where`."""
    kind = _TYPES[name]
    fits = isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)
    if not fits:
        raise ConfigError(f"{where} = {_safe(name, value)} is not {_WORDS[kind]}: give {_WORDS[kind]}")
    least = _AT_LEAST.get(name)
    # `not >=` also turns NaN away.
    if least is not None and not value >= least:
        raise ConfigError(f"{where} = {value!r} is out of range: give {least} or more")
    return value


_WORDS: dict[type, str] = {str: "a text", int: "a whole number", float: "a number"}


def _safe(name: str, value: Any) -> str:
    """`value` for an error message; a value of a secret, or of a key that looks like a misspelt one, stays hidden."""
    secret = name in SECRETS or any(word in name.lower() for word in ("key", "token", "secret", "password"))
    return "[hidden]" if secret and isinstance(value, str) else repr(value)


def nearest(name: str, valid: tuple[str, ...] | list[str]) -> str:
    """The end of an error message: the valid name that `name` is most like, empty when none is."""
    found = get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
