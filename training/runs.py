"""A run directory: settings, manifest, metrics, samples, checkpoints, the final model.

Only rank 0 writes. `manifest.json` gets `ended_at` when the stage has finished; until then the run
is unfinished and can be resumed.
"""

import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.charts import ReportPart
from training.config import save_config
from training.distributed import Distributed
from training.errors import RunError

PACKAGES = ("prefloop", "torch", "transformers", "tokenizers", "safetensors", "numpy")


@dataclass(frozen=True)
class RunDirectory:
    """One stage's output folder. Use `RunDirectory.create`."""

    path: Path
    dist: Distributed

    @classmethod
    def create(
        cls,
        out: Path,
        *,
        stage: str,
        config: object,
        dist: Distributed,
        inputs: Mapping[str, Any],
        seed: int,
        resume: bool = False,
    ) -> "RunDirectory":
        """A new run, or with resume an unfinished one with the same stage, settings and inputs.

        `inputs` names what the run reads: {"bundle": {"path", "sha256"}, "model": {...}}.
        """
        run = cls(out, dist)
        dist.on_main(lambda: run._open(stage, config, inputs, seed, resume))
        return run

    def log(self, metrics: Mapping[str, float | int | str | None]) -> None:
        """One line in metrics.jsonl; must hold `step`. Numbers that are not finite become null."""
        if self.dist.is_main:
            _append(self.path / "metrics.jsonl", metrics)

    def log_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Lines in samples.jsonl; each must hold `step`."""
        if self.dist.is_main:
            for row in rows:
                _append(self.path / "samples.jsonl", row)

    def write_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """samples.jsonl of a stage that looks at its samples once, at its end."""
        if self.dist.is_main:
            (self.path / "samples.jsonl").unlink(missing_ok=True)
            self.log_samples(rows)

    def cut_after(self, step: int) -> None:
        """Forget lines past the checkpoint a run resumes from, which will be written again."""
        if self.dist.is_main:
            for name in ("metrics.jsonl", "samples.jsonl"):
                _cut_lines(self.path / name, step)
        self.dist.barrier()

    def describe_report(self, parts: Sequence[ReportPart]) -> None:
        """What report.html shows of this run; `training.report.write_report` reads it back."""
        if self.dist.is_main:
            content = [{"kind": part.kind, **asdict(part)} for part in parts]
            write_json(self.path / "report.json", content)

    def save_model(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        state_dict: Mapping[str, Tensor] | None = None,
    ) -> Path:
        """Write `model/` at once. Under FSDP2 pass `dist.full_state_dict(model)`. Rank 0 only."""
        final, temporary = self.path / "model", self.path / ".tmp-model"
        shutil.rmtree(temporary, ignore_errors=True)
        model.save_pretrained(temporary, state_dict=_untied(model, state_dict))
        tokenizer.save_pretrained(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        return final

    def finish(self, results: Mapping[str, Any]) -> None:
        """Store the results and mark the run as ended."""
        if self.dist.is_main:
            manifest = read_manifest(self.path)
            manifest.update(results=dict(results), ended_at=_now())
            write_json(self.path / "manifest.json", manifest)
        self.dist.barrier()

    def _open(
        self, stage: str, config: object, inputs: Mapping[str, Any], seed: int, resume: bool
    ) -> None:
        started = (self.path / "manifest.json").is_file()
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: a file, expected a new or empty folder for the run.")
        if not resume or not started:
            self._require_empty()
        self.path.mkdir(parents=True, exist_ok=True)
        save_config(config, self.path / ".config.yaml")
        settings = (self.path / ".config.yaml").read_text(encoding="utf-8")
        if started:
            (self.path / ".config.yaml").unlink()
            self._require_same(stage, settings, inputs)
        else:
            (self.path / ".config.yaml").rename(self.path / "config.yaml")
            write_json(self.path / "manifest.json", self._manifest(stage, inputs, seed))

    def _require_empty(self) -> None:
        if self.path.is_dir() and any(self.path.iterdir()):
            advice = "Give another --out, or --resume to go on with the run that is there."
            if not (self.path / "manifest.json").is_file():
                advice = "It holds no run. Give another --out."
            raise RunError(f"{self.path}: not empty. {advice}")

    def _require_same(self, stage: str, settings: str, inputs: Mapping[str, Any]) -> None:
        manifest = read_manifest(self.path)
        before = {"stage": manifest["stage"], "inputs": _hashes(manifest["inputs"])}
        now = {"stage": stage, "inputs": _hashes(inputs)}
        for name, value in now.items():
            if before[name] != value:
                raise RunError(
                    f"{self.path}: started with {name} {before[name]}, now {value}. "
                    "Resume with what it was started with, or give another --out."
                )
        saved = (self.path / "config.yaml").read_text(encoding="utf-8")
        if saved != settings:
            changed = sorted(set(settings.splitlines()) - set(saved.splitlines()))
            raise RunError(
                f"{self.path}: started with other settings ({', '.join(changed)} is new). "
                "Resume with the settings in its config.yaml, or give another --out."
            )

    def _manifest(self, stage: str, inputs: Mapping[str, Any], seed: int) -> dict[str, Any]:
        return {
            "stage": stage,
            "inputs": dict(inputs),
            "seed": seed,
            "world_size": self.dist.world_size,
            "device": str(self.dist.device),
            "versions": {"python": platform.python_version(), **_versions()},
            "git_commit": _git_commit(),
            "started_at": _now(),
            "ended_at": None,
        }


def read_manifest(run: Path) -> dict[str, Any]:
    path = run / "manifest.json"
    if not path.is_file():
        raise RunError(f"{run}: no manifest.json, so this is not a run directory.")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a .jsonl file; none where the file does not exist."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    # What follows the last line feed is a line that a kill cut short.
    return [json.loads(line) for line in lines[:-1]]


def write_json(path: Path, content: object) -> None:
    """Atomic: a reader finds the old file or the new one."""
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(finite(content), file, ensure_ascii=False, indent=1, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: a number that is undefined is written as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _append(path: Path, row: Mapping[str, Any]) -> None:
    if "step" not in row:
        raise KeyError(f"a line of {path.name} without its step")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(finite(row), ensure_ascii=False, allow_nan=False) + "\n")


def _cut_lines(path: Path, step: int) -> None:
    kept = [row for row in read_lines(path) if row["step"] <= step]
    if path.is_file():
        temporary = path.with_name(f".tmp-{path.name}")
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _untied(
    model: PreTrainedModel, state_dict: Mapping[str, Tensor] | None
) -> dict[str, Tensor] | None:
    """Without the second name of tied weights, which gathering turns into a copy."""
    if state_dict is None:
        return None
    tied = model.all_tied_weights_keys
    return {name: value for name, value in state_dict.items() if name not in tied}


def _hashes(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Inputs by content, so that a bundle or model may move between start and resume."""
    return {name: str(item.get("sha256") or item) for name, item in inputs.items()}


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _git_commit() -> str | None:
    source = Path(__file__).parent
    if not (source.parent / ".git").exists():
        return None
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() if answer.returncode == 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
