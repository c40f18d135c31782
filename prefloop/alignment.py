"""From a bundle to a policy in one call: SFT, then reward model, then PPO, then one report page."""

import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl.ppo import train_ppo
from rl.ppo_config import PPOConfig
from rl.ppo_report import PPOResult, warnings
from rl.sft import SFTConfig, SFTResult, train_sft
from rm_training.config import RewardModelConfig
from rm_training.train import RewardModelResult, train_reward_model
from training.bundle import Bundle
from training.config import build_config, read_recipe
from training.errors import ConfigError
from training.tiny import bundle_texts, make_tiny_model

TINY = "tiny"
STAGES = ("sft", "rm", "ppo")


@dataclass(frozen=True, kw_only=True)
class TinyModelConfig:
    """Of the model made when `--model tiny` is asked for."""

    size: str = "demo"
    vocabulary_size: int = 1024
    max_positions: int = 512
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class AlignRecipe:
    """The settings of all stages: the sections `tiny`, `sft`, `rm` and `ppo` of one YAML file."""

    tiny: TinyModelConfig = field(default_factory=TinyModelConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)
    rm: RewardModelConfig = field(default_factory=RewardModelConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)


@dataclass(frozen=True, kw_only=True)
class AlignResult:
    agreement: dict[str, Any]
    """Of the annotators whose labels these are, from the bundle's manifest."""
    sft: SFTResult
    rm: RewardModelResult
    ppo: PPOResult
    seconds: dict[str, float]
    """Wall-clock by stage."""


def load_recipe(path: Path | None, *, seed: int | None = None) -> AlignRecipe:
    """The recipe of a file, or the defaults; `seed` goes to every stage."""
    sections = read_recipe(path) if path else {}
    known = {TINY: TinyModelConfig, "sft": SFTConfig, "rm": RewardModelConfig, "ppo": PPOConfig}
    if not set(sections) <= set(known):
        raise ConfigError(f"{path}: expected the sections {', '.join(known)} and no other.")
    configs: dict[str, Any] = {}
    for name, cls in known.items():
        values = dict(sections.get(name) or {})
        if seed is not None:
            values["seed"] = seed
        configs[name] = build_config(cls, values)
    return AlignRecipe(**configs)


def align_bundle(
    bundle: Path, model: str, out: Path, recipe: AlignRecipe, *, resume: bool = False
) -> AlignResult:
    """Run every stage into `out`/sft, /rm and /ppo; resume goes on with what is there.

    model is a folder, a Hugging Face id, or `tiny` for a small random one made from the bundle.
    """
    seconds: dict[str, float] = {}
    if model == TINY:
        model = str(_tiny_model(bundle, out / "tiny", recipe.tiny))

    def goes_on(stage: str) -> bool:
        return resume and (out / stage / "manifest.json").is_file()

    with _timed(seconds, "sft"):
        sft = train_sft(
            recipe.sft, bundle=bundle, model=model, out=out / "sft", resume=goes_on("sft")
        )
    with _timed(seconds, "rm"):
        rm = train_reward_model(
            recipe.rm, bundle=bundle, model=str(sft.model), out=out / "rm", resume=goes_on("rm")
        )
    with _timed(seconds, "ppo"):
        ppo = train_ppo(
            recipe.ppo,
            bundle=bundle,
            model=str(sft.model),
            reward_model=str(rm.model),
            out=out / "ppo",
            resume=goes_on("ppo"),
        )
    agreement = Bundle.open(bundle).manifest["agreement"]
    assert isinstance(agreement, dict), "a bundle of format 1 states its agreement"
    result = AlignResult(agreement=agreement, sft=sft, rm=rm, ppo=ppo, seconds=seconds)
    write_index(out, headline(result))
    return result


def headline(result: AlignResult) -> list[tuple[str, str]]:
    """What changed, one line a number, for the terminal and for the page."""
    held_out, ppo = result.rm.held_out, result.ppo
    interval = held_out.clustered or held_out.wilson
    return [
        ("two annotators agree", _share(result.agreement["percent_agreement"], "comparisons")),
        ("… without ties", _share(result.agreement["percent_agreement_no_ties"], "comparisons")),
        (
            "reward-model accuracy",
            f"{held_out.accuracy:.3f} ({interval.low:.3f} to {interval.high:.3f}), "
            f"{held_out.n} held-out pairs",
        ),
        ("length-only accuracy", f"{held_out.length_accuracy:.3f} on the same pairs"),
        (
            "score before, after PPO",
            f"{ppo.before.score_mean:.2f}, {ppo.after.score_mean:.2f}; gain {ppo.score_gain:.2f} "
            f"({ppo.score_gain_low:.2f} to {ppo.score_gain_high:.2f}), "
            f"{ppo.after.completions} completions of {ppo.after.prompts} held-out prompts",
        ),
        ("KL from the SFT model", f"{ppo.kl_per_completion:.2f} nats per completion"),
        (
            "completion length",
            f"{ppo.before.completion_tokens_mean:.1f}, {ppo.after.completion_tokens_mean:.1f} "
            "tokens before, after",
        ),
        ("signs of reward hacking", " ".join(warnings(ppo)) or "none in length or repetition"),
    ]


def _share(statistic: dict[str, Any], unit: str) -> str:
    if statistic["value"] is None:
        return f"undefined ({statistic['reason']})"
    interval = (
        "no interval"
        if statistic["low"] is None
        else f"{statistic['low']:.3f} to {statistic['high']:.3f}"
    )
    return f"{statistic['value']:.3f} ({interval}), {statistic['n']} {unit}"


def write_index(out: Path, lines: list[tuple[str, str]]) -> Path:
    """`out`/report.html: the numbers, and links to the report of each stage."""
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in lines
    )
    names = {"sft": "Supervised fine-tuning", "rm": "Reward model", "ppo": "PPO"}
    links = "".join(f'<li><a href="{s}/report.html">{names[s]}</a></li>' for s in STAGES)
    path = out / "report.html"
    path.write_text(PAGE.format(rows=rows, links=links), encoding="utf-8")
    return path


def _tiny_model(bundle: Path, out: Path, config: TinyModelConfig) -> Path:
    if (out / "config.json").is_file():
        return out
    return make_tiny_model(
        bundle_texts(Bundle.open(bundle)),
        out,
        size=config.size,
        vocabulary_size=config.vocabulary_size,
        seed=config.seed,
        max_positions=config.max_positions,
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Alignment run</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto;
  padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid #8884; }}
</style>
</head>
<body>
<h1>Alignment run</h1>
<table><tbody>{rows}</tbody></table>
<h2>Reports</h2>
<ul>{links}</ul>
</body>
</html>
"""


def summary(result: AlignResult) -> dict[str, Any]:
    """For programs."""
    return {
        "sft": result.sft.as_dict(),
        "rm": result.rm.as_dict(),
        "ppo": result.ppo.as_dict(),
        "seconds": result.seconds,
    }
