"""What several engine tests share: the tiny model's weights, without a Model around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesteer.engine.llama import Offload, Weights


@pytest.fixture(scope="module")
def weights(tiny_path: Path) -> Iterator[Weights]:
    opened = Weights(tiny_path, Offload(0, "CPU"))
    yield opened
    opened.close()
