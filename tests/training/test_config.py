from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from training.config import load_config, require_range, save_config
from training.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Example:
    learning_rate: float = 1e-5
    epochs: int = 1
    name: str = "a"
    limit: int | None = None
    shuffle: bool = True
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        require_range(self, "learning_rate", 0.0, 1.0)


def test_overrides_lie_over_the_recipe_and_the_recipe_over_defaults(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 2\nname: b\n")

    config = load_config(Example, recipe, ["epochs=3", "limit=4"])

    assert config == Example(epochs=3, name="b", limit=4)


def test_a_recipe_for_several_stages_gives_each_its_section(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sft:\n  epochs: 2\nrm:\n  epochs: 5\n")

    assert load_config(Example, recipe, ["name=b"], section="rm") == Example(epochs=5, name="b")
    with pytest.raises(ConfigError, match="Unknown setting 'sft'"):
        load_config(Example, recipe)


def test_exponents_without_a_dot_are_numbers() -> None:
    assert load_config(Example, None, ["learning_rate=3e-4"]).learning_rate == 3e-4


def test_a_whole_number_is_a_number_where_fractions_are_allowed() -> None:
    config = load_config(Example, None, ["learning_rate=1"])

    assert isinstance(config.learning_rate, float)


def test_null_unsets_an_optional_setting() -> None:
    assert load_config(Example, None, ["limit=null"]).limit is None


def test_saved_settings_load_as_the_same_settings(tmp_path: Path) -> None:
    config = Example(learning_rate=2e-6, limit=9, precision="bf16")
    save_config(config, tmp_path / "config.yaml")

    assert load_config(Example, tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rat=1", "Unknown setting 'learning_rat'.*'learning_rate'"),
        ("epochs=1.5", "epochs is 1.5, expected a whole number"),
        ("epochs=true", "epochs is True, expected a whole number"),
        ("shuffle=1", "shuffle is 1, expected true or false"),
        ("precision=fp16", "precision is 'fp16', expected one of fp32, bf16"),
        ("limit=x", "limit is 'x', expected a whole number or null"),
        ("learning_rate=fast", "learning_rate is 'fast', expected a number"),
        ("learning_rate=2", "a number from 0 to 1 expected"),
        ("learning_rate=nan", "a number from 0 to 1 expected"),
        ("epochs", "no '=' found"),
        ("name=[", "not YAML"),
    ],
)
def test_a_bad_override_says_what_is_wrong(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Example, None, [override])


@pytest.mark.parametrize(
    ("content", "message"),
    [("- 1\n", "list found"), ("a: [\n", "not YAML"), ("epoch: 1\n", "nearest.*'epochs'")],
)
def test_a_bad_recipe_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(content)

    with pytest.raises(ConfigError, match=message):
        load_config(Example, recipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: the recipe cannot be read"):
        load_config(Example, tmp_path / "none.yaml")
