"""Settings: precedence, origins, and errors that name file, key, value and the nearest valid key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clew.config import NAMES, Settings, load, unknown_variables, user_file
from clew.errors import ConfigError


@pytest.fixture
def places(tmp_path: Path) -> tuple[dict[str, str], Path, Path]:
    """An environment, a project folder, and the user's file."""
    env = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    project = tmp_path / "project"
    project.mkdir()
    user = user_file(env)
    user.parent.mkdir(parents=True)
    return env, project, user


def test_defaults(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, _ = places
    settings = load(env=env, folder=project)
    assert settings == Settings()
    assert (settings.store, settings.journal, settings.model) == (".clew/store", ".clew/journal.db", None)
    assert {settings.origin(name) for name in NAMES} == {"default"}


def test_each_source_wins_over_those_below_it(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, user = places
    sources = [
        ("user", str(user)),
        ("project", str(project / "clew.toml")),
        ("environment", "CLEW_MODEL"),
        ("given", "command line"),
    ]
    user.write_text('model = "user"\ntop_k = 3\n')
    seen = [load(env=env, folder=project)]
    (project / "clew.toml").write_text('model = "project"\n')
    seen.append(load(env=env, folder=project))
    env["CLEW_MODEL"] = "environment"
    seen.append(load(env=env, folder=project))
    seen.append(load({"model": "given"}, env=env, folder=project))
    assert [(settings.model, settings.origin("model")) for settings in seen] == sources
    assert {(settings.top_k, settings.origin("top_k")) for settings in seen} == {(3, str(user))}


def test_what_was_not_given_does_not_count(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, _ = places
    env["CLEW_STORE"] = ""
    env["CLEW_MODEL"] = "m"
    settings = load({"model": None, "store": None}, env=env, folder=project)
    assert (settings.model, settings.store) == ("m", ".clew/store")


def test_the_users_file_is_found_without_xdg(tmp_path: Path) -> None:
    assert user_file({"HOME": str(tmp_path)}) == tmp_path / ".config" / "clew" / "config.toml"


def test_numbers_of_the_environment(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, _ = places
    env |= {"CLEW_BUDGET_USD": "0.5", "CLEW_BUDGET_TOKENS": "1000", "CLEW_TEMPERATURE": "1", "CLEW_MODEL": "7"}
    settings = load(env=env, folder=project)
    assert (settings.budget_usd, settings.budget_tokens, settings.temperature) == (0.5, 1000, 1)
    assert settings.model == "7"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('modell = "x"', ["clew.toml", "'modell'", "'x'", "did you mean 'model'"]),
        ("[budget]\nusd = 1", ["clew.toml", "'budget'", "{'usd': 1}", "did you mean 'budget_"]),
        ("model = 3", ["clew.toml: model = 3 is not a text"]),
        ('top_k = "many"', ["clew.toml: top_k = 'many' is not a whole number"]),
        ("top_k = true", ["clew.toml: top_k = True is not a whole number"]),
        ("top_k = 0", ["clew.toml: top_k = 0 is out of range", "1 or more"]),
        ("budget_usd = -1", ["clew.toml: budget_usd = -1 is out of range"]),
        ("budget_usd = nan", ["clew.toml: budget_usd = nan is out of range"]),
        ("model = ", ["clew.toml is not valid TOML"]),
    ],
)
def test_a_mistake_is_named(places: tuple[dict[str, str], Path, Path], text: str, parts: list[str]) -> None:
    env, project, _ = places
    (project / "clew.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(env=env, folder=project)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("given", "env", "message"),
    [
        ({"top_k": 0}, {}, "--top-k = 0 is out of range"),
        ({}, {"CLEW_TOP_K": "few"}, "CLEW_TOP_K = 'few' is not a whole number"),
        ({}, {"CLEW_TOP_K": "2.5"}, "CLEW_TOP_K = '2.5' is not a whole number"),
    ],
)
def test_a_mistake_elsewhere_is_named(
    places: tuple[dict[str, str], Path, Path], given: dict[str, Any], env: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(given, env={**places[0], **env}, folder=places[1])
    assert message in str(caught.value)


def test_a_key_is_shown_nowhere(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, _ = places
    settings = load(env={**env, "CLEW_API_KEY": "very-secret-value"}, folder=project)
    assert settings.api_key == "very-secret-value"
    shown = repr(settings) + str(list(settings.shown()))
    assert "very-secret" not in shown
    assert ("api_key", "set", "CLEW_API_KEY") in list(settings.shown())
    (project / "clew.toml").write_text('apikey = "very-secret-value"')
    with pytest.raises(ConfigError, match="did you mean 'api_key'") as caught:
        load(env=env, folder=project)
    assert "very-secret" not in str(caught.value)


def test_variables_that_are_no_settings_are_named() -> None:
    env = {"CLEW_MODELL": "x", "CLEW_MODEL": "y", "CLEW_DEBUG": "1", "OTHER": "z"}
    assert unknown_variables(env) == ["CLEW_MODELL; did you mean 'CLEW_MODEL'?"]


def test_a_file_that_cannot_be_read_is_named(places: tuple[dict[str, str], Path, Path]) -> None:
    env, project, _ = places
    (project / "clew.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(env=env, folder=project)
