"""`edgesteer run` and `compare`: answers on stdout, figures on stderr, exit codes."""

from __future__ import annotations

import importlib
import io
import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import Library, Recipe
from edgesteer.cli import _open
from edgesteer.engine.fake import FakeModel
from edgesteer.errors import EngineError, StrengthWarning

from .conftest import IDENTITY, Invoke

Transcript = Callable[..., str]
Opened = list[tuple[str, Mapping[str, Any]]]


def test_answer_is_data_and_figures_are_for_people(
    opened: Opened, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    assert transcript("run", "--seed", "1", "Will it rain?") == snapshot


def test_quiet_leaves_the_answer_alone(opened: Opened, invoke: Invoke) -> None:
    result = invoke("run", "-q", "Rain?")
    assert (result.stdout, result.stderr) == ("You said: Rain?\n", "")


def test_steering_from_several_places(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    result = invoke("run", "-q", "-s", "calm=1.2@2", "-s", "formal=-0.5", "Rain?")
    assert result.stdout == "You said: Rain? [calm=1.2@2 formal=-0.5]\n"


def test_layers_option_is_for_terms_without_layers(
    opened: Opened, vectors: Library, invoke: Invoke
) -> None:
    result = invoke("run", "-q", "-s", "calm=1@3 formal=1", "-l", "2", "Rain?")
    assert result.stdout == "You said: Rain? [calm=1@3 formal=1@2]\n"


def test_model_may_stand_before_the_prompt(opened: Opened, invoke: Invoke) -> None:
    invoke("run", "qwen", "Rain?", "--device", "cpu", "--threads", "2", "--ctx", "512")
    name, options = opened[0]
    assert name == "qwen"
    assert (options["device"], options["threads"], options["ctx"]) == ("cpu", 2, 512)


def test_model_is_given_once(invoke: Invoke) -> None:
    result = invoke("run", "-m", "a", "b", "Rain?")
    assert result.exit_code == 2
    assert "once" in result.stderr


def test_three_words_are_a_prompt_without_quotes(invoke: Invoke) -> None:
    result = invoke("run", "will", "it", "rain")
    assert result.exit_code == 2
    assert "in quotes" in result.stderr


def test_prompt_from_stdin(opened: Opened, invoke: Invoke) -> None:
    assert invoke("run", "-q", "-", input="Snow?\n").stdout == "You said: Snow?\n"


def test_empty_prompt_is_refused(opened: Opened, invoke: Invoke) -> None:
    result = invoke("run", "-", input="\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the prompt is empty\nHint: ")


def test_json(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    answer = json.loads(invoke("run", "--json", "--seed", "7", "-s", "calm", "Rain?").stdout)
    assert answer["text"] == "You said: Rain? [calm=1]"
    assert (answer["seed"], answer["carrier"], answer["steering"]) == (7, "native", "calm=1")
    assert answer["usage"]["completion_tokens"] == 4
    assert answer["timing"]["tokens_per_s"] == pytest.approx(50)


def test_raw_stop_and_length(opened: Opened, invoke: Invoke) -> None:
    result = invoke("run", "--raw", "--stop", "rain", "It will rain")
    assert result.stdout == "You said: It will \n"
    result = invoke("run", "--max-tokens", "2", "Rain?")
    assert result.stdout == "You said: \n"
    assert "ended by length" in result.stderr


def test_unknown_vector_that_is_a_trait(opened: Opened, invoke: Invoke) -> None:
    result = invoke("run", "-m", "qwen", "-s", "calm=1", "--no-make", "Rain?")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Hint: edgesteer extract calm -m qwen\n" in result.stderr


def test_unknown_vector_gets_near_names(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    result = invoke("run", "-s", "formale=1", "Rain?")
    assert "Error: no vector 'formale' in the library" in result.stderr
    assert "Did you mean formal?" in result.stderr


def test_unknown_recipe_and_model_get_hints(invoke: Invoke) -> None:
    assert "Hint: " in invoke("run", "-r", "nurse", "Rain?").stderr
    assert "Hint: " in invoke("run", "-m", "nowhere", "Rain?").stderr


@pytest.mark.parametrize("text", ["calm=", "calm=x", "calm=1@0", "=1", "calm=1@9-3", 'calm="'])
def test_bad_steering_is_an_error_without_a_traceback(
    text: str, opened: Opened, vectors: Library, invoke: Invoke
) -> None:
    result = invoke("run", "-s", text, "Rain?")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Hint: " in result.stderr
    assert "Traceback" not in result.stderr


def test_two_v_show_the_traceback(opened: Opened, invoke: Invoke) -> None:
    result = invoke("run", "-vv", "-s", "nothing=1", "Rain?")
    assert "Traceback" in result.stderr
    assert "Error: no vector" in result.stderr


def test_strength_warning_is_one_line(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StrengthWarning)
        result = invoke("run", "-s", "calm=9", "Rain?")
    assert result.exit_code == 0
    assert result.stderr.count("Warning: calm=9 lies outside its calibrated band") == 1


def test_save_keeps_what_was_used(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    invoke("run", "-s", "calm=2", "--temperature", "0.5", "--system", "Be brief.", "Rain?")
    invoke("run", "-s", "calm=2", "--system", "Be brief.", "--save", "brief", "Rain?")
    recipe = vectors.load_recipe("brief")
    assert (str(recipe.steering), recipe.system, recipe.model) == ("calm=2", "Be brief.", "smollm2")
    assert invoke("run", "-q", "-r", "brief", "Snow?").stdout == "You said: Snow? [calm=2]\n"
    again = invoke("run", "-q", "-r", "brief", "-s", "calm=1", "Snow?").stdout
    assert again == "You said: Snow? [calm=1]\n"


@pytest.mark.parametrize("command", [("run", "Rain?"), ("chat",)])
def test_where_to_save_is_checked_before_the_model_is_opened(
    command: tuple[str, ...], opened: Opened, vectors: Library, invoke: Invoke
) -> None:
    vectors.save_recipe(Recipe("brief"))
    for name, why in (("a/b", "can not be the name"), ("brief", "--force")):
        result = invoke(*command, "--save", name)
        assert (result.exit_code, why in result.stderr) == (1, True), result.stderr
    assert opened == []
    assert invoke(*command, "-s", "calm=1", "--save", "brief", "--force").exit_code == 0
    assert str(vectors.load_recipe("brief").steering) == "calm=1"


def test_ctrl_c_prints_what_there_is(
    monkeypatch: pytest.MonkeyPatch, vectors: Library, invoke: Invoke
) -> None:
    def open_slow(name: str, options: Mapping[str, Any], library: Library) -> FakeModel:
        return FakeModel(name, identity=IDENTITY, library=library, delay=0.02)

    monkeypatch.setattr(_open, "open_model", open_slow)
    _press_ctrl_c_after_three_pieces(monkeypatch)
    result = invoke("run", "one two three four five six seven eight nine ten")
    assert result.exit_code == 130
    assert result.stdout.startswith("You said: one")
    assert "ten" not in result.stdout
    assert "ended by cancelled" in result.stderr


def _press_ctrl_c_after_three_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("edgesteer.cli.run")
    usual = module._write
    seen: list[str] = []

    def write(piece: str) -> None:
        usual(piece)
        seen.append(piece)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module, "_write", write)


def test_failure_of_the_engine_is_told(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    def refuse(*_: object) -> FakeModel:
        raise EngineError("llama.cpp said no", "try another file")

    monkeypatch.setattr(_open, "open_model", refuse)
    result = invoke("run", "Rain?")
    assert result.exit_code == 1
    assert result.stderr == "Error: llama.cpp said no\nHint: try another file\n"


def test_a_closed_pipe_ends_quietly() -> None:
    code = (
        "import sys\n"
        "from edgesteer.cli import _open, main\n"
        "from edgesteer.engine.fake import FakeModel\n"
        "def answer(prompt, steering): return 'word ' * 20000\n"
        "_open.open_model = lambda name, options, library: FakeModel(answer=answer)\n"
        "sys.argv = ['edgesteer', 'run', '--max-tokens', '20000', 'hi']\n"
        "main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert "Traceback" not in errors
    assert process.returncode == 1


# compare ------------------------------------------------------------------------------------


def test_compare(
    opened: Opened, vectors: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    assert transcript("compare", "-s", "calm=1", "--seed", "3", "I lost my keys!") == snapshot


def test_compare_strip(
    opened: Opened, vectors: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    told = transcript(
        "compare", "-s", "calm=1@2", "--strengths", "-1,0,1", "--seed", "3", "I lost my keys!"
    )
    assert told == snapshot


def test_compare_json_has_one_seed(opened: Opened, vectors: Library, invoke: Invoke) -> None:
    found = json.loads(invoke("compare", "--json", "-s", "calm=1", "Rain?").stdout)
    assert [answer["title"] for answer in found["answers"]] == ["plain", "calm=1"]
    assert {answer["seed"] for answer in found["answers"]} == {found["seed"]}
    assert [answer["carrier"] for answer in found["answers"]] == ["none", "native"]


def test_compare_needs_a_vector(invoke: Invoke) -> None:
    result = invoke("compare", "Rain?")
    assert result.exit_code == 1
    assert "Hint: name a vector: -s calm=1" in result.stderr


@pytest.mark.parametrize("value", ["a,b", "1,,2", ",".join(["1"] * 17)])
def test_compare_refuses_bad_strengths(value: str, invoke: Invoke) -> None:
    assert invoke("compare", "-s", "calm=1", "--strengths", value, "Rain?").exit_code == 2


def test_columns_stand_side_by_side() -> None:
    from rich.console import Console

    from edgesteer.cli._columns import grid

    console = Console(width=60, record=True, file=io.StringIO())
    console.print(grid(["plain", "calm=1"], ["a " * 40, "b\x1b[2J " * 10]))
    lines = console.export_text().splitlines()
    assert "plain" in lines[0]
    assert lines[0].index("calm=1") > 25
    assert any("a a" in line and "b" in line for line in lines)
    assert "\x1b" not in "".join(lines)
