"""`edgesteer causes` and `edgesteer clusters`, on real llama.cpp and tiny weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgesteer import ControlVector, Library, Model
from edgesteer.cli import _open

from ..tiny import write_model
from .conftest import Invoke

TRAIT = """
name = "odd"
positive = ["abcdefgh", "hgfedcba"]
negative = ["stuvwxyz", "zyxwvuts"]
stems = [{ user = "Who?", answer = "It" }, { user = "When then?", answer = "At" }]
"""


@pytest.fixture
def trait(tmp_path: Path) -> Path:
    """Two personas a side, two stems."""
    path = tmp_path / "odd.toml"
    path.write_text(TRAIT, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command opens the tiny model, with a cache that does not round."""

    def open_tiny(name: str, _options: object, library: Library, **_: object) -> Model:
        return Model.open(name, library=library, threads=1, n_ctx=512, kv_type="f32")

    monkeypatch.setattr(_open, "open_model", open_tiny)
    return write_model(tmp_path / "tiny.gguf")


def test_causes_prints_a_map_and_candidates(trait: Path, tiny: Path, invoke: Invoke) -> None:
    result = invoke("causes", str(trait), "-m", str(tiny), "--layers", "all", "--tokens", "3")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["layer", "1", "2", "3", "all"]
    assert [line.split()[0] for line in lines[2:5]] == ["3", "2", "1"]
    assert "the trait has reached the last tokens at layers" in lines[-1]


def test_causes_as_json_picture_and_page(
    trait: Path, tiny: Path, invoke: Invoke, tmp_path: Path
) -> None:
    vector = tmp_path / "v.gguf"
    with Model.open(tiny, threads=1) as model:
        made = ControlVector({2: [1.0] * model.n_embd}, model.identity, name="v")
    made.save(vector)
    files = [tmp_path / "map.svg", tmp_path / "map.html"]
    result = invoke(
        *("causes", str(trait), "-m", str(tiny), "-l", "1-3", "--vector", str(vector), "--json"),
        *("--stem", "2", "--picture", str(files[0]), "--html", str(files[1])),
    )
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["layers"] == [1, 2, 3]
    assert len(told["full"]) == len(told["along"]) == 3
    assert len(told["full"][0]) == len(told["tokens"])
    assert told["candidates"]
    assert files[0].read_text(encoding="utf-8").count("<svg") == 1
    page = files[1].read_text(encoding="utf-8")
    assert "Where odd is carried" in page
    assert page.count("<svg") == 2


def test_causes_refuses_pairs_without_personas(tiny: Path, invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    rows = [{"positive": f"{n} good", "negative": f"{n} bad"} for n in range(3)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = invoke("causes", str(path), "-m", str(tiny))
    assert result.exit_code == 1
    assert "no pair differs in its persona alone" in result.stderr


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--stem", "9"), "odd has 2 stems"),
        (("--picture", "map.gif"), "pictures are .svg or .png files"),
        (("--layers", "7"), "layer 7"),
    ],
)
def test_causes_says_what_is_wrong(
    trait: Path, tiny: Path, invoke: Invoke, option: tuple[str, str], told: str
) -> None:
    result = invoke("causes", str(trait), "-m", str(tiny), *option)
    assert result.exit_code == 1
    assert told in result.stderr


def test_clusters_of_planted_pairs(tiny: Path, invoke: Invoke, tmp_path: Path) -> None:
    path, drawn = tmp_path / "two.jsonl", tmp_path / "two.svg"
    rows = [
        {"positive": f"{n} " + "ab"[n % 2] * 3, "negative": f"{n} " + "zx"[n % 2] * 3}
        for n in range(24)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = ("clusters", str(path), "-m", str(tiny), "--layer", "1", "--picture", str(drawn))
    result = invoke(*command)
    assert result.exit_code == 0, result.stderr
    assert "2 clusters of 12, 12 pairs at layer 1" in result.stdout
    assert "cluster 2, for example:" in result.stdout
    assert "<svg" in drawn.read_text(encoding="utf-8")
    told = json.loads(invoke(*command, "--json").stdout)
    assert told["best_k"] == 2
    assert told["tried"][0]["sizes"] == [12, 12]


def test_clusters_refuses_a_layer_that_is_not_there(
    tiny: Path, invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "few.jsonl"
    rows = [{"positive": f"{n} aaa", "negative": f"{n} zzz"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = invoke("clusters", str(path), "-m", str(tiny), "--layer", "9")
    assert result.exit_code == 1
    assert "no layer 9" in result.stderr


def test_extract_makes_a_vector_of_each_cluster(
    tiny: Path, invoke: Invoke, library: Library, tmp_path: Path
) -> None:
    path = tmp_path / "two.jsonl"
    rows = [
        {"positive": f"{n} " + "ab"[n % 2] * 3, "negative": f"{n} " + "zx"[n % 2] * 3}
        for n in range(24)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    command = ("extract", str(path), "-m", str(tiny), "--no-calibrate", "--cluster", "2")
    result = invoke(*command)
    assert result.exit_code == 0, result.stderr
    assert "clusters of 12, 12 pairs" in result.stderr
    assert sorted(entry.name for entry in library.vectors()) == ["two-1", "two-2"]
    with Model.open(tiny, threads=1) as model:
        one, other = (library.load_vector(f"two-{n}", model.identity) for n in (1, 2))
    assert one.meta["n_pairs"] == other.meta["n_pairs"] == 12
    assert abs(one.cosine(other)[1]) < 0.9
    refused = invoke(*command, "-o", str(tmp_path / "v.gguf"))
    assert refused.exit_code == 1
    assert "--cluster makes several vectors" in refused.stderr
