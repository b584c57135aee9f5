"""/api and /metrics: the shapes that docs/server.md describes, and compare's two sides."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edgesteer import Library
from edgesteer.monitor.readout import Readout

from .running import Running

DOCS = Path(__file__).parent.parent.parent / "docs" / "server.md"


def test_status(server: Running) -> None:
    told = server.get("/api/status").json
    assert told["model"]["name"] == "tiny"
    assert (told["model"]["n_layer"], told["model"]["n_embd"], told["model"]["n_ctx"]) == (
        4,
        64,
        2048,
    )
    assert told["steering"] == server.get("/api/steering").json
    assert told["slots"] == {"total": 8, "busy": 0, "waiting": 0, "queue": 64}
    assert told["defaults"] == {"system": None, "sampling": {}}


@pytest.mark.parametrize("path", ["/api/status", "/api/vectors", "/api/recipes"])
def test_every_field_is_documented(server: Running, path: str) -> None:
    text = DOCS.read_text(encoding="utf-8")
    server.put("/api/recipes/documented", {"steering": "calm=1"})
    missing = {key for key in keys_of(server.get(path).json) if f'"{key}"' not in text}
    server.ask("DELETE", "/api/recipes/documented")
    assert not missing


def keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item)}
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in keys_of(item)}
    return set()


def test_vectors(server: Running) -> None:
    rows = {row["name"]: row for row in server.get("/api/vectors").json["vectors"]}
    calm, stranger = rows["calm"], rows["stranger"]
    assert calm["fits"]
    assert calm["band"] == {"low": -1.5, "high": 1.5}
    assert calm["recommended"] == {"text": "2-3", "layers": [2, 3]}
    assert (calm["positive"], calm["negative"]) == ("calm", "other")
    assert calm["layers"] == [1, 2, 3]
    assert len(calm["per_layer"]["norm"]) == 3
    assert rows["formal"]["band"] is None
    assert not stranger["fits"]
    assert "wide" in stranger["problem"]
    assert [name for name, row in rows.items() if not row["fits"]] == ["odd", "stranger"]
    assert rows["odd"]["recommended"] is None
    assert rows["odd"]["per_layer"] == {"norm": [8.0], "effect": [0.5]}


def test_a_damaged_vector_hides_no_other(server: Running, shelf: Path) -> None:
    damaged = shelf / "vectors" / "damaged.gguf"
    damaged.write_bytes(b"GGUF nonsense")
    try:
        answer = server.get("/api/vectors")
        rows = {row["name"]: row for row in answer.json["vectors"]}
        assert not rows["damaged"]["fits"]
        assert rows["calm"]["fits"]
        assert str(shelf) not in answer.data.decode()
        refused = server.chat(steering="damaged=1")
        assert (refused.status, refused.error["code"]) == (422, "vector_damaged")
        assert str(shelf) not in refused.data.decode()
    finally:
        damaged.unlink()


def test_a_damaged_read_out_hides_no_vector(server: Running, shelf: Path) -> None:
    calm = Library(shelf).load_vector("calm")
    kept = Readout("calm", 2, -calm.directions[2], positions="answer").to_dict()
    bad: dict[str, Any] = {"turned": kept, "soup": "soup", "odd-evidence": {**kept, "evidence": 3}}
    for name, readout in bad.items():
        Library(shelf).save_vector(calm.with_(meta={"readout": readout}), name)
    try:
        rows = {row["name"]: row for row in server.get("/api/vectors").json["vectors"]}
        assert rows["calm"]["problem"] == ""
        for name in bad:
            assert rows[name]["fits"]
            assert not rows[name]["has_readout"]
            assert "read-out" in rows[name]["problem"]
            assert server.chat(steering=f"{name}=1").status == 200
            refused = server.post("/api/compare", {"prompt": "Hi", "watch": [name]})
            assert (refused.status, refused.error["param"]) == (422, "watch")
    finally:
        for name in bad:
            Library(shelf).find_vector(name).unlink()


def test_recipes_are_saved_read_replaced_and_deleted(server: Running, shelf: Path) -> None:
    body = {"steering": {"calm": 1.2}, "system": "Be kind.", "sampling": {"temperature": 0.7}}
    saved = server.put("/api/recipes/nurse", body)
    assert saved.status == 201
    assert saved.json == {
        "name": "nurse", "model": "tiny", "steering": "calm=1.2",
        "terms": [{"vector": "calm", "strength": 1.2}], "system": "Be kind.",
        "sampling": {"temperature": 0.7}, "fits": True, "problem": "",
    }  # fmt: skip
    assert server.get("/api/recipes/nurse").json == saved.json
    assert server.get("/api/recipes").json == {"recipes": [saved.json]}
    again = server.put("/api/recipes/nurse", {"steering": "formal=1"})
    assert (again.status, again.error["code"]) == (409, "recipe_exists")
    assert server.get("/api/recipes/nurse").json == saved.json
    replaced = server.put("/api/recipes/nurse", {"steering": "formal=1", "replace": True})
    assert (replaced.status, replaced.json["steering"]) == (200, "formal=1")
    assert server.ask("DELETE", "/api/recipes/nurse").status == 200
    assert server.get("/api/recipes/nurse").status == 404
    assert server.ask("DELETE", "/api/recipes/nurse").status == 404
    assert not list((shelf / "recipes").iterdir())


@pytest.mark.parametrize("name", ["..", "a%2Fb", "..%2Fx", "x.toml%00", "con", "%20x", "x" * 200])
def test_a_recipes_name_is_no_path(server: Running, shelf: Path, name: str) -> None:
    before = sorted(path for path in shelf.rglob("*") if path.is_file())
    for method, body in (("GET", None), ("PUT", {"steering": ""}), ("DELETE", None)):
        assert server.ask(method, f"/api/recipes/{name}", body).status in (404, 405, 422)
    assert sorted(path for path in shelf.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"steering": "clam=1"}, "steering"),
        ({"steering": "./calm.gguf=1"}, "steering"),
        ({"sampling": {"temperature": -1}}, "sampling.temperature"),
        ({"sampling": {"top_p": 5}}, "sampling"),
        ({"sampling": {"colour": 1}}, "sampling.colour"),
        ({"system": 3}, "system"),
        ({"replace": "yes"}, "replace"),
    ],
)
def test_a_wrong_recipe_is_not_saved(server: Running, body: dict[str, Any], param: str) -> None:
    answer = server.put("/api/recipes/wrong", body)
    assert (answer.status, answer.error["param"]) == (422, param)
    assert server.get("/api/recipes/wrong").status == 404


def test_a_damaged_recipe_is_told_of(server: Running, shelf: Path) -> None:
    (shelf / "recipes").mkdir(exist_ok=True)
    damaged = shelf / "recipes" / "damaged.toml"
    damaged.write_text("nonsense")
    try:
        answer = server.get("/api/recipes")
        [row] = answer.json["recipes"]
        assert (row["name"], row["fits"]) == ("damaged", False)
        assert str(shelf) not in answer.data.decode()
        assert server.get("/v1/models").json["data"][0]["id"] == "tiny"
        assert len(server.get("/v1/models").json["data"]) == 1
    finally:
        damaged.unlink()


def test_a_recipe_whose_vector_is_gone_says_so(server: Running, shelf: Path) -> None:
    (shelf / "recipes").mkdir(exist_ok=True)
    gone = shelf / "recipes" / "gone.toml"
    gone.write_text('format = 1\nname = "gone"\n[[steer]]\nvector = "lost"\n')
    try:
        [row] = server.get("/api/recipes").json["recipes"]
        assert "lost" in row["problem"]
        answer = server.chat(model="tiny+gone")
        assert (answer.status, answer.error["param"]) == (422, "model")
    finally:
        gone.unlink()


def test_a_recipe_of_another_model_is_no_model_here(server: Running, shelf: Path) -> None:
    (shelf / "recipes").mkdir(exist_ok=True)
    other = shelf / "recipes" / "other.toml"
    other.write_text('format = 1\nname = "other"\nmodel = "qwen"\n')
    try:
        [row] = server.get("/api/recipes").json["recipes"]
        assert not row["fits"]
        assert "qwen" in row["problem"]
        assert server.chat(model="tiny+other").status == 422
        assert server.get("/v1/models/tiny+other").status == 404
    finally:
        other.unlink()


def sides(events: list[tuple[str, Any]], kind: str, side: str) -> list[Any]:
    return [data for name, data in events if name == kind and data.get("side") == side]


def test_compare_tells_both_sides_of_one_seed(server: Running) -> None:
    body = {"prompt": "Hi", "steering": "calm=1", "seed": 3, "temperature": 1, "max_tokens": 12}
    answer = server.post("/api/compare", body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.events()
    assert events[0] == (
        "start", {"model": "tiny", "seed": 3, "steering": {"text": "calm=1", "source": "request"}},
    )  # fmt: skip
    assert events[-1] == ("done", {})
    for side, steering in (("plain", ""), ("steered", "calm=1")):
        [end] = sides(events, "end", side)
        text = "".join(data["text"] for data in sides(events, "token", side))
        assert end["text"] == text
        assert end["steering"] == steering
        same = {"steering": steering, "seed": 3, "temperature": 1, "max_tokens": 12}
        assert text == server.say(logit_bias=None, **same)
    assert sides(events, "end", "plain")[0]["carrier"] == "none"


def test_compare_reads_what_is_watched(server: Running) -> None:
    body = {"prompt": "Hi", "steering": "calm=1", "temperature": 0, "watch": ["calm@2", "formal"]}
    events = server.post("/api/compare", {**body, "max_tokens": 6}).events()
    for side in ("plain", "steered"):
        read = sides(events, "reading", side)
        told = "".join(data["text"] for data in read if data["generated"])
        assert told == sides(events, "end", side)[0]["text"]
        assert set(read[3]["values"]) >= {"calm"}
    last = [sides(events, "reading", side)[5]["values"]["calm"] for side in ("plain", "steered")]
    assert last[1] > last[0] + 1  # calm was added before it was read
    assert server.post("/api/compare", {**body, "watch": "clam"}).error["param"] == "watch"
    path = server.post("/api/compare", {**body, "watch": "./calm.gguf"})
    assert (path.status, path.error["param"]) == (422, "watch")


def test_compare_takes_conversations_and_raw_texts(server: Running) -> None:
    quick = {"temperature": 0, "max_tokens": 4, "steering": "calm=1"}
    said = server.post("/api/compare", {"prompt": "Hi", "system": "Be kind.", **quick}).events()
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    same = server.post("/api/compare", {"messages": messages, **quick}).events()
    assert sides(said, "end", "plain")[0]["text"] == sides(same, "end", "plain")[0]["text"]
    assert server.post("/api/compare", {"prompt": "Hi", "raw": True, **quick}).status == 200
    for wrong in (
        {},
        {"prompt": "x", "messages": messages},
        {"messages": messages, "raw": True},
        {"prompt": "x", "n": 2},
        {"prompt": "x", "raw": True, "system": "y"},
    ):
        assert server.post("/api/compare", wrong).status == 422


def test_metrics_have_prometheus_text(server: Running) -> None:
    before = server.get("/metrics")
    assert before.headers["content-type"].startswith("text/plain")
    server.chat(steering="calm=1")
    text = server.get("/metrics").data.decode()
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z_]+(\{.*\})? [-+0-9.einfNa]+", line), line
    for name in ("requests_total", "tokens_total", "answers_total", "first_token_seconds_bucket"):
        assert f"edgesteer_{name}" in text
    assert 'route="/v1/chat/completions",status="200"' in text


def test_embeddings(server: Running) -> None:
    import base64

    import numpy as np

    answer = server.post("/v1/embeddings", {"input": ["Hi", "Ho", "Hi"], "user": "me"}).json
    rows = np.array([row["embedding"] for row in answer["data"]])
    assert rows.shape == (3, 64)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows[0], rows[2], atol=1e-3)
    assert not np.allclose(rows[0], rows[1], atol=1e-2)
    assert answer["usage"]["prompt_tokens"] == 9
    assert answer["ignored"] == ["user"]
    packed = server.post("/v1/embeddings", {"input": "Hi", "encoding_format": "base64"}).json
    raw = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert np.allclose(raw, rows[0], atol=1e-3)


def test_many_embeddings_hold_up_no_answer(server: Running) -> None:
    with ThreadPoolExecutor(12) as pool:
        texts = ["x" * 500] * 12
        read = [pool.submit(server.post, "/v1/embeddings", {"input": texts}) for _ in range(6)]
        said = [pool.submit(server.say) for _ in range(4)]
        assert len({answer.result() for answer in said}) == 1
        assert all(len(answer.result().json["data"]) == 12 for answer in read)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": ["x"] * 65}, "input"),
        ({"input": "x", "dimensions": 8}, "dimensions"),
        ({"input": "x", "steering": "calm=1"}, "steering"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "x", "model": "ada"}, "model"),
    ],
)
def test_wrong_embedding_requests(server: Running, body: dict[str, Any], param: str) -> None:
    answer = server.post("/v1/embeddings", body)
    assert answer.status in (404, 422)
    assert answer.error["param"] == param
