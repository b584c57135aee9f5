"""Steering over HTTP: in a request, by a recipe, and by the live default while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edgesteer import Steering
from edgesteer.server.steering import LiveSteering

from .conftest import Serve
from .running import Running, chat_body, stream_of


@pytest.fixture
def recipe(server: Running) -> Iterator[str]:
    """A recipe `nurse`: calm=1.2, a system message and a seed."""
    body = {"steering": "calm=1.2", "system": "Be kind.", "sampling": {"seed": 5}}
    assert server.put("/api/recipes/nurse", body).status == 201
    yield "nurse"
    assert server.ask("DELETE", "/api/recipes/nurse").json == {"deleted": "nurse"}


def test_text_and_objects_say_the_same(server: Running) -> None:
    forms: list[Any] = [
        "calm=1.2@2-3",
        {"calm": "1.2@2-3"},
        {"terms": [{"vector": "calm", "strength": 1.2, "layers": "2-3"}]},
        {"vector": "calm", "strength": 1.2, "layers": "2-3"},
    ]
    answers = [server.chat(steering=form).json for form in forms]
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1
    assert {answer["steering"]["text"] for answer in answers} == {"calm=1.2@2-3"}
    assert answers[0]["choices"][0]["message"]["content"] != server.say()


def test_the_answer_says_what_was_applied_and_by_what(server: Running) -> None:
    plain = server.chat().json["steering"]
    assert plain == {"text": "", "source": "default", "carrier": "none", "warnings": []}
    native = server.chat(steering="calm=1").json["steering"]
    assert native == {"text": "calm=1", "source": "request", "carrier": "native", "warnings": []}
    assert server.chat(steering="ablate:calm=1").json["steering"]["carrier"] == "callback"
    [warning] = server.chat(steering="calm=1.6").json["steering"]["warnings"]
    assert "outside its calibrated band" in warning


def test_a_stream_says_it_at_its_start_and_at_its_end(server: Running) -> None:
    with_steering = chat_body(steering="calm=1", stream=True)
    chunks = list(stream_of(server.connect(), "/v1/chat/completions", with_steering))
    told = [chunk["steering"] for chunk in chunks if "steering" in chunk]
    assert told == [
        {"text": "calm=1", "source": "request"},
        {"text": "calm=1", "source": "request", "carrier": "native", "warnings": []},
    ]


def test_a_completion_can_be_steered_too(server: Running) -> None:
    body = {"prompt": "Hi", "temperature": 0, "steering": "calm=1"}
    answer = server.post("/v1/completions", body).json
    assert answer["steering"]["text"] == "calm=1"


@pytest.mark.parametrize(
    ("steering", "told"),
    [
        ("clam=1", "Did you mean calm?"),
        ("calm=x", "calm"),
        ("calm=1@99", "layer"),
        ({"calm": "much"}, "calm"),
        ({"calm": 1, "terms": []}, "calm"),
        ("stranger=1", "stranger"),
        ("calm=1 " * 33, "terms"),
        ("calm=1e30", "overflow"),
        ("calm=1?if=" + '"' * 2001, "not closed"),
        ("calm=1 " * 9000, "too long"),
        ({"terms": [{"vector": "calm"}] * 9000}, "too long"),
        ({f"v{i}": 1 for i in range(9000)}, "too long"),
        ("calm=1@1-999999999", "layer"),
        ("x" * 5000, "name"),
        ("./calm.gguf=1", "never by a path"),
        ("../vectors/calm.gguf=1", "never by a path"),
        ("/etc/passwd=1", "never by a path"),
        ("~/calm=1", "never by a path"),
        ({"/etc/passwd": 1}, "never by a path"),
        ("calm=1?if=./calm.gguf>0", "never by a path"),
        ("rotate:calm=5?toward=/x.gguf", "never by a path"),
    ],
)
def test_a_wrong_steering_is_a_422(server: Running, steering: Any, told: str) -> None:
    answer = server.chat(steering=steering)
    assert answer.status == 422, answer.data
    assert told in answer.error["message"]
    assert answer.error["param"] == "steering"


def test_a_file_beside_the_server_can_not_be_named(serve: Serve, shelf: Any, tmp_path: Any) -> None:
    """Not even one that is there, whose name needs no slash."""
    (tmp_path / "near.gguf").write_bytes((shelf / "vectors" / "calm.gguf").read_bytes())
    running = serve(cwd=tmp_path)
    for field in ({"steering": "near.gguf=1"}, {"model": "near.gguf"}, {"model": "tiny+near.toml"}):
        answer = running.chat(**field)
        assert answer.status in (404, 422)
        assert answer.error["code"] in ("vector_path", "model_not_found")


def test_a_recipe_is_a_model(server: Running, recipe: str) -> None:
    names = [row["id"] for row in server.get("/v1/models").json["data"]]
    assert names == ["tiny", "tiny+nurse"]
    assert server.get("/v1/models/tiny+nurse").json["id"] == "tiny+nurse"
    answer = server.chat(model="tiny+nurse", temperature=1).json
    assert answer["model"] == "tiny+nurse"
    assert answer["choices"][0]["seed"] == 5
    assert answer["steering"]["source"] == "recipe"
    assert answer["steering"]["text"] == "calm=1.2"
    by_hand = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    same = server.say(messages=by_hand, steering="calm=1.2", seed=5, temperature=1)
    assert answer["choices"][0]["message"]["content"] == same


def test_a_request_overrides_its_recipe(server: Running, recipe: str) -> None:
    answer = server.chat(model="tiny+nurse", steering="calm=0.5 formal=1", seed=6).json
    assert answer["steering"]["text"] == "calm=0.5 formal=1"
    assert answer["steering"]["source"] == "request"
    assert answer["choices"][0]["seed"] == 6


def test_an_unknown_recipe_is_no_model(server: Running, recipe: str) -> None:
    answer = server.chat(model="tiny+nurs")
    assert (answer.status, answer.error["param"]) == (404, "model")
    assert "Did you mean nurse?" in answer.error["hint"]
    assert server.get("/v1/models/tiny+nurs").status == 404


def test_the_live_default_acts_where_nothing_else_is_asked(serve: Serve) -> None:
    running = serve("-s", "calm=0.5")
    assert running.get("/api/steering").json["text"] == "calm=0.5"
    assert running.chat().json["steering"]["source"] == "default"
    assert running.chat(steering="").json["steering"]["text"] == ""
    told = running.put("/api/steering", {"steering": "calm=1.6 formal=-1"}).json
    assert told["text"] == "calm=1.6 formal=-1"
    assert told["terms"][0] == {"vector": "calm", "strength": 1.6}
    assert (told["version"], told["following"], len(told["warnings"])) == (2, 0, 1)
    assert running.chat().json["steering"]["text"] == "calm=1.6 formal=-1"
    assert running.put("/api/steering", {"steering": "clam=1"}).status == 422
    assert running.get("/api/steering").json["text"] == "calm=1.6 formal=-1"
    assert running.put("/api/steering", {}).json["text"] == ""


def test_the_live_default_turns_running_answers_that_follow_it(serve: Serve) -> None:
    running = serve("--slots", "3")
    long = chat_body(max_tokens=1500, stream=True)
    following = stream_of(running.connect(), "/v1/chat/completions", long)
    own = stream_of(running.connect(), "/v1/chat/completions", {**long, "steering": "calm=0.3"})
    next(following), next(own)
    assert running.put("/api/steering", {"steering": "formal=1"}).json["following"] == 1
    assert list(following)[-1]["steering"]["text"] == "formal=1"
    assert list(own)[-1]["steering"]["text"] == "calm=0.3"
    assert running.put("/api/steering", {"steering": ""}).json["following"] == 0


def test_requests_with_different_steering_share_a_batch(serve: Serve) -> None:
    """Alone an added vector is native; beside another steering it is written by the callback."""
    running = serve("--slots", "2")
    long = chat_body(max_tokens=1500, stream=True, steering="formal=1")
    beside = stream_of(running.connect(), "/v1/chat/completions", long)
    next(beside)
    assert running.chat(steering="calm=1").json["steering"]["carrier"] == "callback"
    next(beside)  # it has not ended meanwhile
    beside.close()


def test_a_vector_given_by_its_path_at_the_start_keeps_that_name(serve: Serve, shelf: Any) -> None:
    path = str(shelf / "vectors" / "calm.gguf")
    running = serve("-s", f"{path}=0.5")
    told = running.get("/api/steering").json
    assert (
        running.put("/api/steering", {"steering": told["text"].replace("0.5", "0.7")}).status == 200
    )
    assert running.chat().json["steering"]["carrier"] == "native"


def test_a_new_vector_is_found_without_a_restart(server: Running, shelf: Any) -> None:
    assert server.chat(steering="fresh=1").status == 422
    fresh = shelf / "vectors" / "fresh.gguf"
    fresh.write_bytes((shelf / "vectors" / "calm.gguf").read_bytes())
    try:
        assert server.chat(steering="fresh=1").status == 200
        names = [row["name"] for row in server.get("/api/vectors").json["vectors"]]
        assert "fresh" in names
    finally:
        fresh.unlink()
    assert server.chat(steering="fresh=1").status == 422


def test_edits_of_the_weights_are_bounded(serve: Serve) -> None:
    running = serve()
    edits = [f"ablate:{name}={strength}@{layers}?by=weights" for name in ("calm", "formal")
             for layers in ("1", "2", "3", "1-2", "2-3", "1-3", "1,3", "all", "40%-80%", "20%-60%")
             for strength in (1,)]  # fmt: skip
    statuses = [running.chat(steering=edit).status for edit in edits]
    assert statuses == [200] * 16 + [422] * (len(edits) - 16)
    assert running.chat(steering=edits[0]).status == 200
    assert running.chat(steering=edits[0].replace("=1@", "=0.5@")).status == 200


def test_an_answer_that_begins_while_the_default_is_turned_follows_the_new_one() -> None:
    first, second, old = (Steering.parse(f"calm={n}") for n in (1, 2, 3))
    live = LiveSteering(first)

    class Beginning:
        """Planning its first change takes a while, in which another one is put."""

        done, steering, asked = False, old, 0

        def set_steering(self, wanted: Steering) -> None:
            self.asked += 1
            if self.asked == 1:
                live.put(second)
            self.steering = wanted

    job: Any = Beginning()
    live.follow(job)
    assert job.steering is second


@pytest.mark.parametrize("name", ["nope", "pairs.jsonl", "weights.pt", "mine.toml"])
def test_a_vector_that_is_not_there_is_an_error_of_its_field(server: Running, name: str) -> None:
    """Whatever its name looks like; what lies on the server's disk is not told."""
    answer = server.chat(steering=f"{name}=1")
    assert (answer.status, answer.error["code"]) == (422, "vector_not_found")
    assert answer.error["param"] == "steering"
