"""The scripts and make targets that turn a fresh clone into a running one."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import install_torch
import pytest
from ensure_browser import installed_candidates, launches
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The options of an outer `make test` would reach the inner one through its environment.
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )


def declared_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for group in (project["dependencies"], *extras) for text in group]


def pinned_versions() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


class FakePip:
    """Stands for the machine's pip: remembers the commands, and fails those that hold a word."""

    def __init__(self, failing: tuple[str, ...]) -> None:
        self.failing = failing
        self.wanted: list[str] = []

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.wanted.append(" ".join(command[command.index("install") + 1 :]))
        failed = any(word in command for word in self.failing)
        return subprocess.CompletedProcess(command, int(failed))


@pytest.fixture
def linux_without_gpu(monkeypatch):
    monkeypatch.setattr(install_torch.sys, "platform", "linux")
    monkeypatch.setattr(install_torch.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(install_torch.shutil, "which", lambda _: None)
    monkeypatch.delenv("TORCH_CPU_INDEX", raising=False)


def fake_pip(monkeypatch, *failing: str) -> FakePip:
    pip = FakePip(failing)
    monkeypatch.setattr(install_torch.subprocess, "run", pip.run)
    return pip


CPU_BUILD = f"torch=={install_torch.VERSION}+cpu"
ANY_BUILD = f"torch=={install_torch.VERSION}"


def test_the_cpu_build_of_torch_is_taken_where_it_is_offered(monkeypatch, linux_without_gpu):
    pip = fake_pip(monkeypatch)

    assert install_torch.main() == 0
    assert [command.split()[-1] for command in pip.wanted] == [CPU_BUILD]


def test_the_named_index_is_asked_before_the_default_build(monkeypatch, linux_without_gpu):
    monkeypatch.setenv("TORCH_CPU_INDEX", "http://cpu.example/whl")
    pip = fake_pip(monkeypatch, CPU_BUILD)

    assert install_torch.main() == 0
    assert len(pip.wanted) == 2
    assert "--index-url http://cpu.example/whl" in pip.wanted[1]


def test_the_default_build_comes_last_and_its_failure_is_reported(monkeypatch, linux_without_gpu):
    pip = fake_pip(monkeypatch, CPU_BUILD, ANY_BUILD)

    assert install_torch.main() == 1
    assert [command.split()[-1] for command in pip.wanted] == [CPU_BUILD, ANY_BUILD]


def test_a_machine_with_a_gpu_gets_the_default_build_at_once(monkeypatch, linux_without_gpu):
    monkeypatch.setattr(install_torch.shutil, "which", lambda name: f"/usr/bin/{name}")
    pip = fake_pip(monkeypatch)

    assert install_torch.main() == 0
    assert [command.split()[-1] for command in pip.wanted] == [ANY_BUILD]


def test_a_program_that_is_no_browser_does_not_count_as_one(capsys):
    assert not launches("/bin/false")
    assert "/bin/false" in capsys.readouterr().err


def test_the_browser_named_by_the_user_is_tried_first(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/opt/mine/chromium")

    assert next(installed_candidates()) == "/opt/mine/chromium"


def test_ensure_browser_prints_the_path_of_one_that_starts(browser_path):
    command = [sys.executable, str(ROOT / "tools" / "ensure_browser.py")]
    environment = dict(os.environ, CHROMIUM=browser_path)
    result = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)

    assert result.stdout == f"{browser_path}\n"


def test_without_any_browser_the_two_ways_to_get_one_are_named(tmp_path):
    environment = {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path),
        "PLAYWRIGHT_DOWNLOAD_HOST": "http://127.0.0.1:9",
    }
    command = [sys.executable, str(ROOT / "tools" / "ensure_browser.py")]
    result = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    assert result.returncode == 1
    assert result.stdout == ""
    assert "apt-get install chromium" in result.stderr
    assert "playwright install --with-deps" in result.stderr


def test_every_declared_dependency_is_pinned_to_a_version_it_allows():
    pins = pinned_versions()
    wrong = [
        f"{requirement} but constraints.txt has {pins.get(canonicalize_name(requirement.name))}"
        for requirement in declared_requirements()
        if not requirement.specifier.contains(
            pins.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]

    assert wrong == []


def test_torch_has_the_same_version_wherever_it_is_named():
    (declared,) = [each for each in declared_requirements() if each.name == "torch"]

    assert str(declared.specifier) == f"=={install_torch.VERSION}"
    assert pinned_versions()["torch"] == install_torch.VERSION


def test_make_says_what_to_install_where_there_is_no_python(tmp_path):
    result = make("test", "PYTHON=", f"VENV={tmp_path}/venv")

    assert result.returncode != 0
    assert "No Python 3.11 to 3.14 on PATH" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_make_says_what_to_install_where_python_has_no_venv_module(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    result = make("test", f"PYTHON={python}", f"VENV={tmp_path}/venv")

    assert result.returncode != 0
    assert "apt-get install python3-venv" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_the_demos_variables_become_its_options():
    plan = make("-n", "demo", "SERVE=0", "SEED=3", "PORT=8123").stdout
    options = " ".join(plan.splitlines()[-1].split())

    assert options.endswith("prefloop demo --no-serve --seed 3 --port 8123")
    assert make("-n", "demo").stdout.splitlines()[-1].split()[1:] == ["demo"]


def test_continuous_integration_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()

    assert "make test" in script
    assert "make test" in readme
