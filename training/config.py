"""Run settings: frozen dataclasses, filled from a YAML recipe and then from `key=value` pairs.

A settings class checks its values in __post_init__ and raises ConfigError. Fields are numbers,
text, booleans, choices (Literal) or any of these or None; nested settings are left out on purpose.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from training.errors import ConfigError

Settings = TypeVar("Settings")


def load_config(
    cls: type[Settings],
    recipe: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    section: str | None = None,
) -> Settings:
    """The settings of a recipe with the overrides laid over it.

    A recipe for several stages has a section for each; `section` picks one where it is there.
    """
    values = {} if recipe is None else read_recipe(recipe)
    if section is not None and isinstance(values.get(section), dict):
        values = values[section]
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: no '=' found, expected key=value.")
        try:
            values[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override}: the value is not YAML.") from error
    return build_config(cls, values)


def build_config(cls: type[Settings], values: dict[str, Any]) -> Settings:
    hints = typing.get_type_hints(cls)
    known = [item.name for item in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
            raise ConfigError(f"Unknown setting {name!r}. The nearest valid one is {close!r}.")
    return cls(**{name: _convert(name, value, hints[name]) for name, value in values.items()})


def save_config(config: object, path: Path) -> None:
    """All settings, defaults included, as a recipe that `load_config` reads back."""
    values = dataclasses.asdict(config)  # type: ignore[call-overload]
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def require_positive(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} is {getattr(config, name)!r}, a number above 0 expected.")


def require_range(config: object, name: str, low: float, high: float) -> None:
    if not low <= getattr(config, name) <= high:
        raise ConfigError(
            f"{name} is {getattr(config, name)!r}, a number from {low:g} to {high:g} expected."
        )


def read_recipe(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty one."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the recipe cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())}).") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {type(values).__name__} found, `key: value` lines expected.")
    return values


def _convert(name: str, value: Any, hint: Any) -> Any:
    for option in _options(hint):
        if option is type(None):
            if value is None:
                return None
        elif typing.get_origin(option) is typing.Literal:
            if value in typing.get_args(option):
                return value
        elif option is float:
            number = _as_float(value)
            if number is not None:
                return number
        elif type(value) is option:
            return value
    raise ConfigError(f"{name} is {value!r}, expected {_describe(hint)}.")


def _as_float(value: Any) -> float | None:
    """YAML 1.1 reads 1e-5, which has no dot, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _options(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _describe(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    words[type(None)] = "null"
    described = []
    for option in _options(hint):
        if typing.get_origin(option) is typing.Literal:
            described.append("one of " + ", ".join(map(str, typing.get_args(option))))
        else:
            described.append(words.get(option, str(option)))
    return " or ".join(described)
