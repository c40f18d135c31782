from pathlib import Path

import pytest
from helpers.bundles import word_bundle
from helpers.models import tiny_model


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return word_bundle(tmp_path_factory.mktemp("bundle") / "words")


@pytest.fixture(scope="session")
def model_path(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(bundle_path, tmp_path_factory.mktemp("model") / "tiny")
