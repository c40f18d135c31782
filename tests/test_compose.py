"""docker-compose.yml is right, and its commands work: they run here as plain processes.

Images cannot be built everywhere. So each service's command runs with the service's environment on
this machine; only what a container would give is replaced: the address of the database, the port,
and the folders that volumes are mounted on.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from helpers.postgres import PostgresServer
from helpers.processes import free_port, poll_until, running
from helpers.serving import Serving
from sqlalchemy.engine import make_url
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from prefloop import alignment, serving

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = {
    "POSTGRES_PASSWORD": "lamp0river1boat",
    "PREFLOOP_SECRET_KEY": "wTq3-fE8zLk1_Rb6pXy0vHn5uJc2sGd9",
}
CHOICES = {"PREFLOOP_MODEL": "tiny", "PREFLOOP_RECIPE": "quick.yaml"}
QUICK_RECIPE = """
tiny: {size: test, vocabulary_size: 300, max_positions: 128}
sft: {epochs: 1}
rm: {epochs: 1}
ppo: {updates: 2, value_only_updates: 1, rollout_batch_size: 8, minibatch_size: 8,
      microbatch_size: 8, max_new_tokens: 8, score_samples: 8, evaluation_completions: 8}
"""
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class MissingVariable(Exception):
    """A variable that compose requires is not set."""


def interpolate(text: str, variables: dict[str, str]) -> str:
    """What compose does with ${NAME}, ${NAME:-default} and ${NAME:?message}."""

    def value(match: re.Match[str]) -> str:
        if variables.get(match["name"]):
            return variables[match["name"]]
        if match["kind"] == "?":
            raise MissingVariable(match["name"])
        return match["rest"] or ""

    return VARIABLE.sub(value, text)


def environment_of(service: str) -> dict[str, str]:
    declared = SERVICES[service]["environment"]
    return {name: interpolate(str(value), SECRETS) for name, value in declared.items()}


@dataclass(frozen=True)
class Machine:
    """Stands for the containers: where the database, the port and the volumes really are."""

    database_url: str
    port: int
    data: Path
    recipes: Path

    def adapt(self, text: str) -> str:
        text = interpolate(text, SECRETS | CHOICES).replace("0.0.0.0", "127.0.0.1")
        text = re.sub(r"\b8000\b", str(self.port), text)
        return text.replace("/data/", f"{self.data}/").replace("/recipes/", f"{self.recipes}/")

    def command(self, service: str) -> list[str]:
        return [self.adapt(word) for word in SERVICES[service]["command"]]

    def environment(self, service: str) -> dict[str, str]:
        declared = {name: self.adapt(value) for name, value in environment_of(service).items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**declared, "PREFLOOP_DATABASE_URL": self.database_url, "PATH": path}

    def run(self, service: str, *command: str) -> str:
        """Standard output of a command in the service's environment, which must succeed."""
        environment = {**os.environ, **self.environment(service)}
        result = subprocess.run(
            command or self.command(service),
            cwd=self.data,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{' '.join(result.args)}: {result.stderr}"
        return result.stdout


@pytest.fixture(scope="module")
def machine(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("compose")
    machine = Machine(
        database_url=postgres_server.create_database("compose"),
        port=free_port(),
        data=folder / "data",
        recipes=folder / "recipes",
    )
    machine.data.mkdir()
    machine.recipes.mkdir()
    yield machine
    postgres_server.drop_database("compose")


def judged_comparisons() -> Iterator[dict[str, Any]]:
    """Records of three annotators who prefer the longer answer, one of them not always."""
    plants = ("basil", "beans", "roses", "leeks", "mint", "plums", "thyme", "figs")
    places = ("sand", "clay", "shade", "a pot", "the sun", "the wind", "a bog", "gravel")
    for number, (plant, place) in enumerate(product(plants, places)):
        judgments = [
            {"annotator": name, "verdict": 1 if name != "mo" or number % 3 else 2}
            for name in ("ada", "lin", "mo")
        ]
        yield {
            "prompt": f"Do {plant} grow in {place}?",
            "completions": [f"In {place}, {plant} need patience and some water.", "No."],
            "judgments": judgments,
        }


def test_the_services_are_a_database_a_web_app_and_two_profiles():
    assert set(SERVICES) == {"db", "web", "proxy", "train"}
    assert SERVICES["db"]["image"].startswith("postgres:")
    assert SERVICES["train"]["profiles"] == ["train"]
    assert SERVICES["proxy"]["profiles"] == ["tls"]
    assert "profiles" not in SERVICES["web"]
    assert "profiles" not in SERVICES["db"]


def test_only_the_proxy_has_ports_for_others_than_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"web", "proxy"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert published["proxy"] == ["80:80", "443:443"]


def test_the_proxy_leads_to_the_port_that_the_web_app_listens_on():
    command = SERVICES["proxy"]["command"]
    host, port = command[command.index("--to") + 1].split(":")

    assert host == "web"
    assert f"--port {port} " in SERVICES["web"]["command"][-1]
    assert SERVICES["proxy"]["depends_on"] == {"web": {"condition": "service_healthy"}}


def test_a_proxy_in_any_network_of_docker_is_believed():
    networks = ProxyHeadersMiddleware(
        lambda *_: None, environment_of("web")["PREFLOOP_TRUSTED_PROXIES"]
    ).trusted_hosts

    for address in ("172.17.0.3", "172.31.255.2", "192.168.16.4", "127.0.0.1"):
        assert address in networks
    assert "198.51.100.7" not in networks


def test_the_client_programs_of_the_image_are_of_the_databases_version():
    (major,) = re.findall(r"^postgres:(\d+)$", SERVICES["db"]["image"])

    assert f"postgresql-client-{major} " in (ROOT / "Dockerfile").read_text()


def test_the_web_app_has_longer_to_stop_than_it_needs():
    (seconds,) = re.findall(r"^(\d+)s$", SERVICES["web"]["stop_grace_period"])

    assert int(seconds) > serving.GRACE_SECONDS + serving.KILL_SECONDS


def test_no_secret_has_a_value_in_the_file():
    text = (ROOT / "docker-compose.yml").read_text()

    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)
    assert SERVICES["db"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    for service in ("web", "train"):
        declared = SERVICES[service]["environment"]
        assert declared["PREFLOOP_SECRET_KEY"].startswith("${PREFLOOP_SECRET_KEY:?")
        assert ":${POSTGRES_PASSWORD:?" in declared["PREFLOOP_DATABASE_URL"]


def test_a_missing_secret_stops_compose():
    with pytest.raises(MissingVariable, match="POSTGRES_PASSWORD"):
        interpolate(SERVICES["web"]["environment"]["PREFLOOP_DATABASE_URL"], {})


def test_the_address_names_the_database_service_and_what_it_creates():
    created = environment_of("db")
    for service in ("web", "train"):
        url = make_url(environment_of(service)["PREFLOOP_DATABASE_URL"])

        assert url.drivername == "postgresql+psycopg"
        assert (url.host, url.port) == ("db", 5432)
        assert url.username == created["POSTGRES_USER"]
        assert url.password == created["POSTGRES_PASSWORD"]
        assert url.database == created["POSTGRES_DB"]


def test_services_that_need_the_database_wait_until_it_is_healthy():
    assert "pg_isready" in SERVICES["db"]["healthcheck"]["test"]
    for service in ("web", "train"):
        assert SERVICES[service]["depends_on"] == {"db": {"condition": "service_healthy"}}


def test_what_must_outlive_a_container_lies_on_a_named_volume():
    mounts = {
        service: {mount.split(":")[1]: mount.split(":")[0] for mount in declared["volumes"]}
        for service, declared in SERVICES.items()
    }

    assert mounts["db"]["/var/lib/postgresql/data"] in COMPOSE["volumes"]
    assert mounts["web"]["/data"] == mounts["train"]["/data"]
    assert mounts["web"]["/data"] in COMPOSE["volumes"]
    assert environment_of("web")["PREFLOOP_EXPORTS_DIR"].startswith("/data/")


def test_the_image_gets_the_pinned_versions_and_no_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    extras = {name: SERVICES[name]["build"]["args"]["EXTRAS"] for name in ("web", "train")}

    assert 'RUN pip install -c constraints.txt ".[$EXTRAS]"' in lines
    assert "USER prefloop" in lines
    assert extras == {"web": "web", "train": "web,train"}


def test_everything_the_dockerfile_and_the_build_need_reaches_the_builder():
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = [pattern.removesuffix("*") for pattern in found]
    needed = {*packages, "LICENSE", "README.md", "constraints.txt", "pyproject.toml"}

    assert needed - {line.removeprefix("!") for line in allowed} == set()


def test_the_web_command_migrates_serves_and_is_healthy(machine):
    address = f"http://127.0.0.1:{machine.port}/healthz"
    log = machine.data / "web.log"

    def answers() -> bool:
        assert process.poll() is None, f"web ended: {log.read_text()}"
        try:
            with urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    environment = machine.environment("web")
    command = machine.command("web")
    with running(command, cwd=machine.data, environment=environment, log=log) as process:
        poll_until(answers, f"{address} to answer 200", seconds=60)
        kind, *check = (machine.adapt(word) for word in SERVICES["web"]["healthcheck"]["test"])
        assert kind == "CMD"
        machine.run("web", *check)
        workers = Serving(process, log).workers()

    assert len(workers) == 2
    machine.run("web", "prefloop", "db", "check")


def test_the_health_check_of_a_dead_web_app_fails(machine):
    _, *check = (machine.adapt(word) for word in SERVICES["web"]["healthcheck"]["test"])

    with pytest.raises(AssertionError, match="Connection refused"):
        machine.run("web", *check)


def test_the_train_command_turns_judgments_into_a_policy(machine, tmp_path):
    records = tmp_path / "records.jsonl"
    records.write_text("".join(json.dumps(each) + "\n" for each in judged_comparisons()))
    (machine.recipes / "quick.yaml").write_text(QUICK_RECIPE)

    machine.run("train", "prefloop", "db", "upgrade")
    machine.run("train", "prefloop", "project", "create", "demo")
    machine.run("train", "prefloop", "import", "--project", "demo", str(records))
    machine.run("train")

    run = machine.data / "runs" / "align"
    assert (run / "bundle" / "manifest.json").is_file()
    assert (run / "report.html").is_file()
    assert (run / "ppo" / "model" / "model.safetensors").is_file()


def test_the_recipe_that_training_takes_by_default_is_there_and_valid():
    (default,) = re.findall(r"PREFLOOP_RECIPE:-([^}]+)", " ".join(SERVICES["train"]["command"]))
    recipe = alignment.load_recipe(ROOT / "recipes" / default)

    assert recipe == alignment.AlignRecipe(), "the file says that its values are the defaults"
