"""Recipes: TOML text <-> value, refusals with a cure, and the llama-server arguments."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesteer import ControlVector, FileWriteError, NotFoundError, Recipe, RecipeError, Steering

NURSE = """
format = 1
name = "calm-nurse"
model = "smollm2"
[[steer]]
vector = "calm"
strength = 1.2
layers = "8-16"
[chat]
system = "You are a nurse on a night shift."
temperature = 0.7
"""


def test_the_example_of_the_documentation() -> None:
    recipe = Recipe.parse(NURSE)
    assert (recipe.name, recipe.model) == ("calm-nurse", "smollm2")
    assert str(recipe.steering) == "calm=1.2@8-16"
    assert recipe.system == "You are a nurse on a night shift."
    assert dict(recipe.sampling) == {"temperature": 0.7}


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)
names = texts.filter(lambda text: text.strip() and text.isprintable())
numbers = st.floats(-8, 8).map(lambda x: round(x, 6))
terms = st.builds(
    lambda name, strength, layers, options: {
        "vector": name,
        "strength": strength,
        **({"layers": layers} if layers else {}),
        **options,
    },
    names,
    numbers,
    st.sampled_from(["", "8-16", "40%-80%", "8,10,12-14", "all"]),
    st.sampled_from(
        [
            {},
            {"positions": "generated", "decay": 64, "after": 3},
            {"positions": "last:4"},
            {"if": "harmful>0.3@12", "scope": "mean"},
            {"if": "x<0.3", "scope": "token", "unit": "raw", "close": 0.5, "hold": 8},
            {"operation": "clamp"},
            {"operation": "rotate", "toward": "a name"},
        ]
    ),
)
samplings = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 5),
        "top_k": st.integers(0, 1000),
        "top_p": st.floats(0, 1),
        "min_p": st.floats(0, 1),
        "repeat_penalty": st.floats(0.5, 2),
        "seed": st.integers(0, 2**32 - 1),
        "max_tokens": st.integers(1, 10**6),
    },
)


@settings(deadline=None)
@given(
    name=names,
    model=st.none() | texts,
    steer=st.lists(terms, max_size=4),
    system=st.none() | st.text(st.characters(codec="utf-8"), max_size=80),
    sampling=samplings,
)
def test_what_is_written_is_read_back(
    name: str, model: str | None, steer: list[dict[str, Any]], system: str | None, sampling: Any
) -> None:
    recipe = Recipe(name, model, Steering.from_dict({"terms": steer}), system, sampling)
    assert Recipe.parse(recipe.dumps()) == recipe
    assert dict(Recipe.parse(recipe.dumps()).sampling) == sampling


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RecipeError):
        Recipe.parse(text)


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("name = 'x'", "does not say its format", "format = 1"),
        ("format = 2\nname = 'x'", "format 2", "update edgesteer"),
        ("format = 1", "needs a name", "name ="),
        ("format = 1\nname = ''", "needs a name", "name ="),
        ("format = 1\nname = 3", "needs a name", "name ="),
        ("format = 1\nname = 'x'\nmodle = 'y'", "'modle'", "Did you mean model?"),
        ("format = 1\nname = 'x'\nmodel = 1", "model must be text", "quotes"),
        ("format = 1\nname = 'x'\n[chat]\ntemprature = 1", "'temprature'", "temperature"),
        ("format = 1\nname = 'x'\n[chat]\ntemperature = -1", "temperature", "greedy"),
        ("format = 1\nname = 'x'\n[chat]\ntemperature = 'hot'", "temperature", ""),
        ("format = 1\nname = 'x'\n[chat]\ntemperature = nan", "temperature", ""),
        ("format = 1\nname = 'x'\n[chat]\nmax_tokens = 0", "max_tokens", "512"),
        ("format = 1\nname = 'x'\n[chat]\nmax_tokens = true", "max_tokens", "512"),
        ("format = 1\nname = 'x'\n[chat]\nsystem = 1", "system must be text", "quotes"),
        ("format = 1\nname = 'x'\nchat = 1", "chat must be a table", "[chat]"),
        ("format = 1\nname = 'x'\nsteer = 1", "list of tables", "[[steer]]"),
        ("format = 1\nname = 'x'\n[steer]\nvector = 'calm'", "list of tables", "[[steer]]"),
        ("format = 1\nname = 'x'\n[[steer]]\nstrength = 1", "vector", ""),
        ("format = 1\nname = 'x'\n[[steer]]\nvector = 'c'\nstrenght = 1", "strenght", "strength"),
        ("format = 1\nname = 'x'\n[[steer]]\nvector = 'c'\nlayers = '9-3'", "9-3", ""),
        ("format = 1\nname = 'x'\n[[steer]]\nvector = 'c'\nstrength = inf", "finite", ""),
        ("format = 1\nname = 'x", "no TOML", "mend"),
        (f"format = 1\nname = {'9' * 5000}", "no TOML", "mend"),
        ("x=" + "[" * 100_000, "no TOML", "mend"),
        (f"format = 1\nname = 'x'\n[chat]\ntemperature = {10**400}", "temperature", "greedy"),
        (f"format = 1\nname = 'x'\n[chat]\nmax_tokens = -{10**400}", "max_tokens", "512"),
        (f"format = 1\nname = 'x'\n[[steer]]\nvector = 'c'\nstrength = {10**400}", "finite", ""),
    ],
)
def test_refusals_name_what_is_wrong(text: str, error: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text)
    assert error in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


def test_files_are_named_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "nurse.toml"
    with pytest.raises(NotFoundError):
        Recipe.load(file)
    file.write_text("format = 9\nname = 'x'")
    with pytest.raises(RecipeError, match=r"nurse\.toml"):
        Recipe.load(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="UTF-8"):
        Recipe.load(file)
    with pytest.raises(FileWriteError):
        Recipe.parse(NURSE).save(tmp_path / "nowhere" / "nurse.toml")


def test_a_recipe_does_not_change() -> None:
    settings = {"temperature": 0.5}
    recipe = Recipe("x", sampling=settings)
    settings["temperature"] = 9
    assert recipe.sampling["temperature"] == 0.5
    with pytest.raises(TypeError):
        recipe.sampling["temperature"] = 1  # type: ignore[index]


# llama-server ----------------------------------------------------------------------------------


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """Files of calm (layers 1-6, recommends 2-4) and formal (layers 2-4)."""
    calm = {layer: [1.0, 0.0] for layer in range(1, 7)}
    formal = {layer: [0.0, 1.0] for layer in range(2, 5)}
    found = {}
    for name, directions, recommended in (("calm", calm, "2-4"), ("formal", formal, None)):
        path = tmp_path / f"{name}.gguf"
        ControlVector(directions, name=name, recommended=recommended).save(path)
        found[name] = str(path)
    return found


def test_llama_args(paths: dict[str, str]) -> None:
    recipe = Recipe(
        "x",
        steering=Steering.parse("calm=1.2 formal=-0.5"),
        sampling={"max_tokens": 9, "temperature": 0.7, "top_k": 3},
    )
    assert recipe.llama_args(paths, 8) == [
        *("--control-vector-scaled", f"{paths['calm']}:1.2"),
        *("--control-vector-scaled", f"{paths['formal']}:-0.5"),
        *("--control-vector-layer-range", "2", "4"),
        *("--temp", "0.7", "--top-k", "3", "--n-predict", "9"),
    ]
    assert Recipe("plain", steering=Steering.parse("calm=0")).llama_args(paths, 8) == []


@pytest.mark.parametrize(
    ("steering", "why"),
    [
        ("ablate:calm=1", "no plain addition"),
        ("calm=1?on=generated", "no plain addition"),
        ("calm=1@1-3 formal=1", "one and the same range"),
        ("calm=1@1,5", "one and the same range"),
    ],
)
def test_what_llama_server_can_not_do_is_named(
    steering: str, why: str, paths: dict[str, str]
) -> None:
    with pytest.raises(RecipeError, match=why) as caught:
        Recipe("x", steering=Steering.parse(steering)).llama_args(paths, 8)
    assert ("vectors mix" in caught.value.hint) == ("range" in why)
    assert ("leave out" in caught.value.hint) == ("plain" in why)


def test_paths_that_llama_server_would_split_are_refused() -> None:
    recipe = Recipe("x", steering=Steering.parse("calm=1"))
    for path in ("C:\\calm.gguf", "a,b.gguf"):
        with pytest.raises(RecipeError, match="path"):
            recipe.llama_args({"calm": path}, 8)
