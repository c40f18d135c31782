"""Who may import whom, how long a module may be, and what a template may not hold.

The rules are data at the top; `violations_in` reads every import of a file, also those inside
functions. The last tests show that it catches what it is there for.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "annotator_ui", "migrations", "training", "rm_training", "rl", "prefloop")
MAX_LINES = 400

SERVER_ONLY = ("app", "annotator_ui", "migrations", "sqlalchemy", "alembic", "fastapi", "starlette")
TRAINER_ONLY = ("torch", "transformers", "training", "rm_training", "rl")
STANDARD = tuple(sys.stdlib_module_names)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What the modules under one package may import; None as `only` allows all but `never`."""

    never: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None

    def forbids(self, module: str) -> bool:
        listed = self.only is None or any(is_within(module, name) for name in self.only)
        return not listed or any(is_within(module, name) for name in self.never)


# A module obeys the rules of every package it lies in.
RULES = {
    "app": Rule(never=(*TRAINER_ONLY, "prefloop")),
    "app.db": Rule(never=("app.models", "app.services", "app.web", "app.api", "app.main")),
    "app.models": Rule(never=("app.services", "app.web", "app.api", "app.main")),
    "app.access": Rule(never=("app.services", "app.web", "app.api", "app.main")),
    "app.errors": Rule(only=STANDARD),
    "app.rules": Rule(only=("app.rules", "app.errors", "numpy", "scipy", *STANDARD)),
    "app.services": Rule(never=("app.web", "app.api", "app.main", "fastapi", "starlette")),
    "app.web": Rule(never=("app.api", "app.main", "alembic")),
    "app.api": Rule(never=("app.web", "app.main", "alembic")),
    "migrations": Rule(never=(*TRAINER_ONLY, "app.services", "app.web", "app.api", "prefloop")),
    "training": Rule(never=(*SERVER_ONLY, "rm_training", "rl", "prefloop")),
    "rm_training": Rule(never=(*SERVER_ONLY, "rl", "prefloop")),
    "rl": Rule(never=(*SERVER_ONLY, "prefloop")),
}

# Routes parse, call a service and render; they hold no query.
STATEMENT_BUILDERS = {"select", "insert", "update", "delete", "func", "text"}
SESSION_METHODS = re.compile(r"session\.(add|commit|delete|execute|flush|get|query|scalars?)")

TEMPLATE_RULES = {
    "inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "inline style": re.compile(r"\sstyle=|<style\b", re.IGNORECASE),
    "inline event handler": re.compile(r"\son[a-z]+=", re.IGNORECASE),
    "asset of another host": re.compile(
        r"""<(?:script|link|img|iframe|source|audio|video|use)\b[^>]*\b(?:src|srcset|href)=["']"""
        r"""(?:https?:)?//""",
        re.IGNORECASE,
    ),
}
ASSET_RULES = {
    "asset of another host": re.compile(r"""@import|url\(\s*["']?(?:https?:)?//"""),
}


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(source: str, importer: str) -> Iterator[tuple[int, str]]:
    """Line and name of every import, at any depth; `from a import b` yields `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = importer.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value


def violations_in(source: str, importer: str) -> list[str]:
    """One sentence for each import of this module that a rule forbids."""
    rules = [(package, rule) for package, rule in RULES.items() if is_within(importer, package)]
    return [
        f"{importer}:{line} imports {module}, which {package} may not"
        for line, module in imported_modules(source, importer)
        for package, rule in rules
        if rule.forbids(module)
    ]


def queries_in(source: str, importer: str) -> list[str]:
    """One sentence for each query, or piece of one, that this route module holds."""
    imports = [
        (line, module)
        for line, module in imported_modules(source, importer)
        if is_within(module, "sqlalchemy") and module.rpartition(".")[2] in STATEMENT_BUILDERS
    ]
    calls = [
        (node.lineno, ast.unparse(node.func))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and SESSION_METHODS.fullmatch(ast.unparse(node.func))
    ]
    return [
        f"{importer}:{line} uses {name}; a route holds no query, a service does"
        for line, name in imports + calls
    ]


def template_problems(text: str) -> list[str]:
    """What a template may not hold, each with its line."""
    found = [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {name}"
        for name, pattern in TEMPLATE_RULES.items()
        for match in pattern.finditer(text)
    ]
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        near = "".join(lines[max(0, number - 3) : number])
        if re.search(r"\|\s*safe\b", line) and "{#" not in near:
            found.append(f"line {number}: |safe without a comment that says why")
    return found


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def assets(*suffixes: str) -> list[Path]:
    found = sorted((ROOT / "annotator_ui").rglob("*"))
    return [path for path in found if path.suffix in suffixes]


def test_every_package_of_the_project_has_modules_to_check():
    empty = [name for name in PACKAGES if not any((ROOT / name).rglob("*.py"))]

    assert empty == []


def test_no_module_imports_what_its_package_may_not():
    assert [
        violation
        for path in modules()
        for violation in violations_in(path.read_text(), module_name(path, ROOT))
    ] == []


def test_the_command_line_imports_no_half_of_the_product_before_a_command_runs():
    heavy = ("torch", "transformers", "pandas", "sqlalchemy", "fastapi", "uvicorn", "app.models")
    program = f"import sys, prefloop.cli; print([n for n in {heavy} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert result.stdout == "[]\n"


def test_routes_hold_no_query():
    routes = [
        path for path in modules() if module_name(path, ROOT).startswith(("app.web.", "app.api."))
    ]

    assert [
        query for path in routes for query in queries_in(path.read_text(), module_name(path, ROOT))
    ] == []


def test_package_init_files_are_empty():
    inits = [path for path in modules() if path.name == "__init__.py"]

    assert [path for path in inits if path.read_text().strip()] == []


def test_no_module_is_longer_than_its_limit():
    sources = [*modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    # A migration is a record of one step, and stays as long as that step was.
    sources = [path for path in sources if path.parent != ROOT / "migrations" / "versions"]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}

    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_the_pages_folder_holds_no_python():
    found = [path.name for path in (ROOT / "annotator_ui").rglob("*.py")]

    assert found == ["__init__.py"]


def test_templates_hold_no_inline_code_and_no_foreign_asset():
    problems = {path.name: template_problems(path.read_text()) for path in assets(".html")}

    assert {name: found for name, found in problems.items() if found} == {}


def test_static_files_load_nothing_from_another_host():
    assert [
        f"{path.name}: {name}"
        for path in assets(".css", ".js", ".svg")
        for name, pattern in ASSET_RULES.items()
        if pattern.search(path.read_text())
    ] == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("app.services.exports", "import torch"),
        ("app.services.exports", "def f():\n    from training.bundle import Bundle"),
        ("app.services.exports", "import importlib\nimportlib.import_module('transformers')"),
        ("app.services.exports", "from fastapi import Request"),
        ("app.services.exports", "from ..web import pages"),
        ("app.services.exports", "from app import web"),
        ("app.main", "import prefloop.cli"),
        ("app.db", "from app.models import tables"),
        ("app.models.tables", "from app.services import exports"),
        ("app.rules.split", "from sqlalchemy import select"),
        ("app.rules.split", "from app.db import Base"),
        ("app.rules.split", "import pandas as pd"),
        ("app.web.compare", "from app.api import routes"),
        ("app.api.routes", "import app.web.pages"),
        ("training.loop", "from rm_training import model"),
        ("training.loop", "if True:\n    import rl.losses"),
        ("training.loop", "import sqlalchemy.orm"),
        ("rm_training.train", "from rl.losses import ppo_loss"),
        ("rm_training.train", "import app.settings"),
        ("rl.ppo", "import starlette"),
        ("rl.ppo", "from prefloop import cli"),
    ],
)
def test_a_forbidden_import_is_caught(importer, source):
    assert violations_in(source, importer) != []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("app.services.exports", "from app.rules import split\nfrom sqlalchemy import select"),
        ("app.rules.split", "import hashlib\nimport numpy as np\nfrom app.rules import sides"),
        ("app.web.compare", "from app.services import judgments\nfrom fastapi import APIRouter"),
        ("rl.ppo", "import torch\nfrom rm_training.model import RewardModel"),
        ("rm_training.train", "from training.bundle import Bundle"),
        ("prefloop.cli", "import app.main\nimport rl.ppo"),
        ("application.main", "import torch"),
    ],
)
def test_an_allowed_import_is_not_reported(importer, source):
    assert violations_in(source, importer) == []


def test_a_query_in_a_route_is_caught():
    assert queries_in("from sqlalchemy import select", "app.web.compare") != []
    assert queries_in("def f(session):\n    session.commit()", "app.web.compare") != []
    assert queries_in("from sqlalchemy.orm import Session", "app.web.compare") == []


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("<p>\n<script>go()</script>", "line 2: inline script"),
        ("<script type='module'>go()</script>", "line 1: inline script"),
        ('<p style="color: red">', "line 1: inline style"),
        ("<style>p {}</style>", "line 1: inline style"),
        ('<button onclick="go()">', "line 1: inline event handler"),
        ('<script src="https://cdn.example/htmx.js"></script>', "line 1: asset of another host"),
        ('<link rel="stylesheet"\n href="//cdn.example/a.css">', "line 1: asset of another host"),
        ("{{ text|safe }}", "line 1: |safe without a comment that says why"),
    ],
)
def test_a_bad_template_is_caught(template, problem):
    assert problem in template_problems(template)


@pytest.mark.parametrize(
    "template",
    [
        '<script src="/static/page.js" defer></script>',
        '<a href="https://example.org/paper">the paper</a>',
        "{# Sanitised when it was rendered. #}\n{{ text|safe }}",
        "<p class='option' data-style='wide'>{{ text }}</p>",
    ],
)
def test_a_good_template_is_not_reported(template):
    assert template_problems(template) == []
