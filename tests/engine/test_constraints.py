"""Grammars, JSON schemas, logit biases and logprobs, with steering on and off."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest

from edgesteer import ControlVector, InputError, Model
from edgesteer.constraints import read_constraints
from edgesteer.engine.sampler import Sampler
from edgesteer.measure.kl import log_softmax
from edgesteer.sampling import Sampling

DIGITS = 'root ::= [0-9] [0-9] [0-9] "\\n"'


def _vector(model: Model, seed: int = 0) -> ControlVector:
    rng = np.random.default_rng(seed)
    directions = {1: rng.standard_normal(model.n_embd), 2: rng.standard_normal(model.n_embd)}
    return ControlVector(directions, model.identity, name="v")


@pytest.mark.parametrize("strength", [0.0, 1.0, -2.0])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_grammar_holds_under_any_steering(
    tiny_model: Model, strength: float, temperature: float
) -> None:
    reply = tiny_model.ask(
        "say a number",
        raw=True,
        grammar=DIGITS,
        steer=_vector(tiny_model) * strength,
        temperature=temperature,
        seed=1,
        max_tokens=40,
    )
    assert reply.text[:3].isdigit()
    assert reply.text[3:] == "\n"
    assert reply.finish == "stop"


def test_two_grammars_in_one_batch_do_not_mix(tiny_model: Model) -> None:
    jobs = [
        tiny_model.start("x", raw=True, grammar=f'root ::= "{word}"', steer=steer, max_tokens=20)
        for word, steer in (("yes", None), ("never", _vector(tiny_model) * 1.0))
    ]
    assert [job.result().text for job in jobs] == ["yes", "never"]


def test_a_grammar_only_forbids(tiny_model: Model) -> None:
    """Law: a token that it allows is drawn as often as if the others had never been there."""
    logits = np.full(tiny_model.n_vocab, -40.0, np.float32)
    letters = [tiny_model.tokenize(letter, special=False)[0] for letter in "abcx"]
    logits[letters] = [0.0, 1.0, 2.0, 3.0]  # x is the likeliest, and forbidden
    settings = Sampling(temperature=1, top_k=0, top_p=1, min_p=0)
    draws, counts = 3000, dict.fromkeys(letters[:3], 0)
    for seed in range(draws):
        sampler = Sampler(tiny_model._weights, settings, seed, {}, "root ::= [a-c]")
        counts[sampler.choose(logits)] += 1
        sampler.close()
    wanted = np.exp(logits[letters[:3]].astype(float))
    wanted *= draws / wanted.sum()
    spread = np.sqrt(wanted * (1 - wanted / draws))
    assert (np.abs(np.array(list(counts.values())) - wanted) < 4 * spread).all(), counts


def test_a_grammar_goes_with_a_repeat_penalty(tiny_model: Model) -> None:
    """The penalty looks back on the prompt, of which the grammar must not hear."""
    reply = tiny_model.ask(
        "abc", grammar="root ::= [a-c]+", repeat_penalty=1.3, temperature=0, max_tokens=8
    )
    assert len(reply.text) == 8
    assert set(reply.text) <= set("abc")


@pytest.mark.parametrize("quoted", [False, True])
def test_a_grammar_that_nests_without_end_is_refused(tiny_model: Model, quoted: bool) -> None:
    """llama.cpp reads groups by recursion; brackets in literals are no groups."""
    n = 50_000
    if quoted:
        grammar = 'root ::= "a" | "' + "(" * n + '" | [(((]'
        assert tiny_model.ask("x", grammar=grammar, max_tokens=1, temperature=0).text
        return
    with pytest.raises(InputError, match="nests"):
        tiny_model.ask("x", grammar="root ::= " + "(" * n + '"a"' + ")" * n)


def _nested_schema(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grammar": "root ::= " + "(" * 101 + '"a"' + ")" * 101}, "nests deeper"),
        ({"grammar": "root ::= [a] # (\n | " + "(" * 20_000}, "nests deeper"),
        ({"grammar": 'root ::= "a"\0 nonsense ((('}, "NUL"),
        ({"grammar": 'root ::= "a"{2, 100000}'}, "repeats"),
        ({"grammar": 'root ::= "a"{99999999999999999999}'}, "repeats"),
        ({"grammar": f'root ::= "{"a" * 5000}"{{1000}}'}, "too many parts"),
        ({"grammar": 'root ::= "a"' + "?" * 20_000}, "too many parts"),
        ({"json_schema": _nested_schema(60)}, "schema nests deeper"),
        ({"json_schema": _nested_schema(100_000)}, "JSON schema"),
        ({"json_schema": "[" * 100_000}, "schema nests deeper"),
        ({"json_schema": {"type": "string", "maxLength": 2000}}, "nests deeper"),
        ({"json_schema": {"type": "string", "maxLength": 10**6}}, "has maxLength"),
        ({"grammar": "root ::=" + ' "a"' * 300_000}, "longer than 1 MB"),
        ({"json_schema": {"const": {1, 2}}}, "JSON schema"),
    ],
)
def test_what_the_reader_of_grammars_has_no_room_for_is_refused(
    tiny_model: Model, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tiny_model.ask("abc", raw=True, max_tokens=2, **options)


def test_a_length_in_a_schema_may_nest_deeper(tiny_model: Model) -> None:
    """The converter writes maxLength as groups within groups."""
    grammar = read_constraints(
        lambda text: [], 9, json_schema={"type": "string", "maxLength": 500}
    ).grammar
    assert grammar.count("(") > 500


def test_comments_literals_and_classes_may_hold_brackets(tiny_model: Model) -> None:
    many = "(" * 200
    grammar = f'root ::= ("a" # {many} "\n | "{many}\\"{many}" | [({many}\\]{many}]{{1,3}})'
    assert tiny_model.ask("x", grammar=grammar, max_tokens=1, temperature=0).text


def test_a_reference_is_followed_whatever_its_name(tiny_model: Model) -> None:
    """The converter takes its last part for a rule's name, and reads "_" again at every use."""
    deep: dict[str, Any] = {
        f"a_{i}": {"properties": {k: {"$ref": f"#/$defs/a_{i + 1}"} for k in "xy"}}
        for i in range(24)
    }
    deep = {"$ref": "#/$defs/a_0", "$defs": deep | {"a_24": {"type": "null"}}}
    start = time.monotonic()
    assert read_constraints(lambda _text: [], 0, json_schema=deep).grammar
    assert time.monotonic() - start < 5

    loop = {"$defs": {"a_b": {"type": "array", "items": {"$ref": "#/$defs/a_b"}, "minItems": 1}}}
    asked = {"json_schema": {"$ref": "#/$defs/a_b", **loop}, "max_tokens": 3, "temperature": 0.0}
    assert tiny_model.ask("x", **asked).text.replace(" ", "").startswith("[[")

    names = {"a": {"const": 1}, "b": {"$ref": "#/$defs/a"}}
    schema = {"properties": names, "required": ["a", "b"], "$defs": {"a": {"const": 2}}}
    text = tiny_model.ask("x", json_schema=schema, max_tokens=60, temperature=0.0).text
    assert json.loads(text) == {"a": 1, "b": 2}


@pytest.mark.model
def test_a_json_schema_gives_json_that_fits(smollm2: Model) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "hot": {"type": "boolean"}},
        "required": ["city", "hot"],
    }
    rng = np.random.default_rng(0)
    vector = ControlVector(
        {12: rng.standard_normal(smollm2.n_embd)}, smollm2.identity, name="noise"
    )
    for steer in (None, vector * 1.0):
        reply = smollm2.ask(
            "Name a city and say whether it is hot there, as JSON.",
            json_schema=schema,
            steer=steer,
            temperature=0.0,
            max_tokens=80,
        )
        answer = json.loads(reply.text)
        assert set(answer) == {"city", "hot"}
        assert isinstance(answer["hot"], bool)


def test_a_bias_forbids_and_forces_tokens(tiny_model: Model) -> None:
    plain = tiny_model.ask("abc", raw=True, temperature=0.0, max_tokens=1, logprobs=0)
    first = plain.logprobs[0].token
    other = tiny_model.ask(
        "abc", raw=True, temperature=0.0, max_tokens=1, logprobs=0, logit_bias={first: -math.inf}
    )
    assert other.logprobs[0].token != first
    wanted = (first + 1) % tiny_model.n_vocab
    forced = tiny_model.ask(
        "abc", raw=True, temperature=0.0, max_tokens=1, logprobs=0, logit_bias={str(wanted): 1e4}
    )
    assert forced.logprobs[0].token == wanted


def test_logprobs_are_those_of_the_steered_model(tiny_model: Model) -> None:
    vector = _vector(tiny_model) * 1.0
    reply = tiny_model.ask(
        "abc", raw=True, steer=vector, temperature=0.0, max_tokens=4, logprobs=3, ignore_eos=True
    )
    prompt = tiny_model.tokenize("abc")
    tokens = [*prompt, *(entry.token for entry in reply.logprobs)]
    logits = tiny_model.logits(tokens, vector, first=len(prompt) - 1, n_prompt=len(prompt))
    expected = log_softmax(logits)
    assert len(reply.logprobs) == 4
    for row, entry in zip(expected, reply.logprobs, strict=False):
        assert entry.logprob == pytest.approx(row[entry.token], abs=1e-4)
        assert [t for t, _, _ in entry.top] == list(np.argsort(-row, kind="stable")[:3])
        assert entry.top[0][2] >= entry.top[1][2] >= entry.top[2][2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grammar": "root ::= ("}, "can not read this grammar"),
        ({"grammar": "other ::= [a]"}, "can not read this grammar"),
        ({"grammar": DIGITS, "json_schema": {}}, "exclude each other"),
        ({"grammar": DIGITS, "ignore_eos": True}, "ignore_eos"),
        ({"json_schema": "{not json"}, "JSON schema"),
        ({"json_schema": {"$ref": "#/nowhere"}}, "JSON schema"),
        ({"logit_bias": {10**9: 1.0}}, "outside the vocabulary"),
        ({"logit_bias": {1: math.nan}}, "must be a number"),
        ({"logit_bias": {"several words": 1.0}}, "tokens, and a bias is for one"),
        ({"logit_bias": {"²": 1.0}}, "tokens, and a bias is for one"),
        ({"logit_bias": {"9" * 5000: 1.0}}, "bias is for one"),
        ({"logit_bias": {10**5000: 1.0}}, "outside the vocabulary"),
        ({"logit_bias": {5: 10**400}}, "must be a number"),
        ({"logit_bias": {5: math.inf}}, "must be a number"),
        ({"logit_bias": {5: "1"}}, "must be a number"),
        ({"logit_bias": {1.5: 1.0}}, "for a token id or a text"),
        ({"logit_bias": [5, 1.0]}, "logit_bias must map"),
        ({"logprobs": 1000}, "logprobs must be"),
        ({"logprobs": 1.5}, "logprobs must be"),
        ({"logprobs": True}, "logprobs must be"),
        ({"grammar": 5}, "a grammar is GBNF text"),
        ({"max_tokens": "5"}, "max_tokens must be a whole number"),
        ({"max_tokens": 2.5}, "max_tokens must be a whole number"),
        ({"max_tokens": 0}, "max_tokens must be a whole number"),
        ({"stop": [5]}, "stop must be a list of texts"),
        ({"stop": 5}, "stop must be a list of texts"),
        ({"temperature": 10**400}, "temperature must lie"),
    ],
)
def test_bad_constraints_are_clear_errors(
    tiny_model: Model, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tiny_model.ask("abc", raw=True, **{"max_tokens": 2, **options})
    assert tiny_model.ask("abc", raw=True, max_tokens=2, ignore_eos=True).finish == "length"


@pytest.mark.parametrize("key", ["minLength", "maxLength", "minItems", "maxItems"])
def test_a_schema_that_takes_gigabytes_to_write_out_is_refused(key: str) -> None:
    kind = {"type": "string"} if "Length" in key else {"type": "array", "items": {"type": "null"}}
    with pytest.raises(InputError, match=f"has {key}"):
        read_constraints(lambda _text: [], 0, json_schema=kind | {key: 10**9})
    named = {"type": "object", "properties": {key: {"type": "null"}}}
    assert key in read_constraints(lambda _text: [], 0, json_schema=named).grammar
