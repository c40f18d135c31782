"""Commands that train and use models. torch is imported only inside the command that needs it.

`app` is `prefloop train`; `report`, `score`, `tiny_model`, `generate` are registered at top level.
Data goes to stdout, everything else to stderr.
"""

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from app.db import Database

app = typer.Typer(no_args_is_help=True, help="Train on an export bundle: SFT, reward model, PPO.")
Parameters = ParamSpec("Parameters")

BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder made by `prefloop export`.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="A run, a model folder or a Hugging Face id to start from.")
]
OutOption = Annotated[Path, typer.Option("--out", help="The new run directory.")]
RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", help="Settings as YAML, `key: value`.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting over the recipe; repeatable."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")]


def one_sentence(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """A command whose TrainingError becomes one sentence on stderr and exit code 1."""

    @functools.wraps(command)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except TrainingError as error:
            if _is_main_process():
                print(f"Error: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        finally:
            _leave_process_group()

    return guarded


@app.command()
@one_sentence
def sft(
    bundle: BundleOption,
    model: ModelOption,
    out: OutOption,
    recipe: RecipeOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune a causal model on demonstrations, else on chosen completions."""
    from rl.sft import SFTConfig, train_sft
    from training.config import load_config

    config = load_config(SFTConfig, recipe, settings or (), section="sft")
    _show(train_sft(config, bundle=bundle, model=model, out=out, resume=resume), as_json)


@app.command()
@one_sentence
def rm(
    bundle: BundleOption,
    model: ModelOption,
    out: OutOption,
    recipe: RecipeOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a reward model on preferences, starting from an SFT run."""
    from rm_training.config import RewardModelConfig
    from rm_training.train import train_reward_model
    from training.config import load_config

    config = load_config(RewardModelConfig, recipe, settings or (), section="rm")
    _show(train_reward_model(config, bundle=bundle, model=model, out=out, resume=resume), as_json)


@app.command()
@one_sentence
def ppo(
    bundle: BundleOption,
    model: ModelOption,
    reward_model: Annotated[
        str, typer.Option("--reward-model", help="A run of `prefloop train rm`.")
    ],
    out: OutOption,
    recipe: RecipeOption = None,
    settings: SetOption = None,
    resume: ResumeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Optimise an SFT run against a reward model by KL-penalised PPO."""
    from rl.ppo import train_ppo
    from rl.ppo_config import PPOConfig
    from training.config import load_config

    config = load_config(PPOConfig, recipe, settings or (), section="ppo")
    result = train_ppo(
        config, bundle=bundle, model=model, reward_model=reward_model, out=out, resume=resume
    )
    _show(result, as_json)


@one_sentence
def report(run: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Write report.html into a run directory, finished or not, and print its path."""
    from training.report import write_report

    print(write_report(run))


@one_sentence
def score(
    reward_model: Annotated[
        str, typer.Option("--reward-model", help="A run of `prefloop train rm`.")
    ],
    file: Annotated[Path, typer.Argument(help="JSONL of {prompt, completion}.")],
) -> None:
    """Print each row of a JSONL file with its score."""
    from rm_training.score import score_completions
    from training.prompt_files import read_completions

    rows = read_completions(file)
    scores = score_completions(reward_model, rows)
    _print_lines(
        {"prompt": prompt, "completion": completion, "score": score}
        for (prompt, completion), score in zip(rows, scores, strict=True)
    )


@one_sentence
def tiny_model(
    bundle: BundleOption,
    out: Annotated[Path, typer.Option("--out", help="The new model folder.")],
    size: Annotated[str, typer.Option("--size", help="test, demo or small.")] = "demo",
    vocabulary: Annotated[int, typer.Option("--vocabulary", help="Tokens, at least 262.")] = 1024,
    max_positions: Annotated[
        int, typer.Option("--max-positions", help="Longest sequence in tokens.")
    ] = 512,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Make a small random model whose tokenizer is trained on a bundle, and print its path."""
    from training.bundle import Bundle
    from training.tiny import bundle_texts, make_tiny_model

    path = make_tiny_model(
        bundle_texts(Bundle.open(bundle)),
        out,
        size=size,
        vocabulary_size=vocabulary,
        seed=seed,
        max_positions=max_positions,
    )
    print(path)


@one_sentence
def generate(
    policy: Annotated[str, typer.Option("--policy", help="A run or a causal model.")],
    prompts: Annotated[Path, typer.Option("--prompts", help="JSONL of {prompt}.")],
    samples: Annotated[int, typer.Option("--samples", min=1, help="For each prompt.")] = 1,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1)] = 64,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0)] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    project: Annotated[
        str | None,
        typer.Option("--project", "-p", help="Bring them to this project as new comparisons."),
    ] = None,
) -> None:
    """Print completions of a policy, one JSON object for each prompt, as `import` reads them."""
    from rl.generate import generate_completions
    from training.prompt_files import read_prompts

    texts = read_prompts(prompts)
    database = None if project is None else _open_project(project, samples)
    rows = generate_completions(
        policy,
        texts,
        samples_per_prompt=samples,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    printed = _print_lines(rows)
    if project is not None and database is not None and _is_main_process():
        from prefloop.console import explained
        from prefloop.generated import import_comparisons

        with explained():
            import_comparisons(database, project, printed)


def _open_project(slug: str, samples: int) -> "Database":
    """Before anything is generated, so that a wrong name costs no time."""
    from prefloop.console import explained
    from prefloop.generated import FEWEST, open_project

    if samples < FEWEST:
        raise TrainingError(f"--samples is {samples}, a comparison needs {FEWEST} or more.")
    with explained():
        return open_project(slug)


def _show(result: Any, as_json: bool) -> None:
    """The fields of a stage's result, from one process only."""
    if not _is_main_process():
        return
    from training.runs import finite

    values = finite(dataclasses.asdict(result))
    if as_json:
        print(json.dumps(values, ensure_ascii=False, default=str))
        return
    for name, value in values.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                print(f"{name}.{inner}: {_plain(number)}")
        else:
            print(f"{name}: {_plain(value)}")


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_lines(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row as soon as it is there; gives them all."""
    printed = []
    for row in rows:
        printed.append(row)
        if _is_main_process():
            print(json.dumps(row, ensure_ascii=False), flush=True)
    return printed


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _leave_process_group() -> None:
    if "torch" in sys.modules:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
