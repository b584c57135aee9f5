"""`edgesteer monitor`, `run --watch` and `chat --watch`: what is read, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from edgesteer import ControlVector, Library, Model
from edgesteer.cli._shade import Gauge, Range, shaded, wave
from edgesteer.cli.chat.wrap import ShadedWrap, WordWrap
from edgesteer.engine.watch import Reading
from edgesteer.monitor.readout import OperatingPoint, Readout

from ..monitor.planted import planted_vector, prompts
from .conftest import IDENTITY, Invoke

Opened = list[tuple[str, Mapping[str, Any]]]
Transcript = Callable[..., str]
POINT = OperatingPoint(0.25, 0.9, 0.8, 0.1, 20, 20)


@pytest.fixture
def fitted(vectors: Library) -> Library:
    """The library, with a read-out kept with `calm`."""
    calm = vectors.load_vector("calm")
    readout = Readout(
        "calm", 2, [1.0] * 8, 0.5, 4.0, "answer", POINT, 0.97, IDENTITY,
        {"layers": [1, 2, 3], "auroc": [0.6, 0.97, 0.9]},
    )  # fmt: skip
    vectors.save_vector(readout.kept_with(calm), "calm", replace=True)
    return vectors


@pytest.fixture
def tiny(tiny_path: Path, library: Library) -> str:
    """A real, tiny model, with a vector `early` for it in the library."""
    with Model.open(tiny_path, threads=1, n_ctx=512, library=library) as model:
        library.save_vector(planted_vector(model, positions="last"), "early")
    return str(tiny_path)


def test_a_text_is_read(opened: Opened, fitted: Library, transcript: Transcript) -> None:
    told = transcript("monitor", "calm formal", "Sit down now and wait")
    assert told.splitlines()[1] == "calm at layer 2, scores (AUROC 0.97)"
    assert "Sit down now and wait" in told
    assert "threshold 0.25" in told
    assert "formal at layer 2, raw units" in told
    assert "2> raw units compare within one text" in told


def test_what_was_read_as_json(opened: Opened, fitted: Library, invoke: Invoke) -> None:
    told = json.loads(invoke("monitor", "calm formal", "Sit down now", "--json").stdout)
    assert [r["name"] for r in told["readouts"]] == ["calm", "formal"]
    assert [r["unit"] for r in told["readouts"]] == ["score", "raw"]
    inside = [token for token in told["tokens"] if token["inside"]]
    assert "".join(token["text"] for token in inside) == "Sit down now"
    own = [token["values"]["calm"] for token in inside]
    assert told["readouts"][0]["mean"] == pytest.approx(sum(own) / len(own), abs=1e-3)
    assert told["readouts"][0]["fires"] == (told["readouts"][0]["mean"] > 0.25)


def test_a_text_from_stdin_and_a_page(
    opened: Opened, fitted: Library, invoke: Invoke, tmp_path: Path
) -> None:
    page = tmp_path / "read.html"
    result = invoke("monitor", "calm", "-", "--html", str(page), input="Sit <down>!\n")
    assert result.exit_code == 0
    content = page.read_text(encoding="utf-8")
    assert "&lt;down&gt;!" in content
    assert "<script" not in content


def test_run_reads_while_it_answers(
    opened: Opened, fitted: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    told = transcript(
        *("run", "-s", "calm=0.5", "--watch", "calm", "--watch", "formal", "--no-make"),
        *("--seed", "1", "Rain?"),
    )
    assert told == snapshot


@pytest.mark.parametrize("positions", ["answer", "last", "mean"])
def test_a_threshold_for_prompts_is_not_held_against_an_answer(positions: str) -> None:
    readout = Readout("calm", 2, [1.0] * 8, 0.5, 4.0, positions, POINT, 0.97, IDENTITY)
    gauge = Gauge({"calm": readout})
    gauge.add(Reading(3, 0, "x", True, {"calm": 0.5}))
    (told,) = gauge.lines()
    assert ("above its threshold 0.25" in told) == (positions == "answer")
    assert ("its threshold 0.25 is one for prompts" in told) == (positions != "answer")


def test_run_gives_readings_as_json(opened: Opened, fitted: Library, invoke: Invoke) -> None:
    told = json.loads(invoke("run", "--watch", "calm", "--json", "Will it rain?").stdout)
    answer = [r for r in told["readings"] if r["generated"]]
    assert "".join(r["text"] for r in answer) == told["text"]
    assert all(set(r["values"]) == {"calm"} for r in told["readings"])
    assert "readings" not in json.loads(invoke("run", "--json", "Will it rain?").stdout)


def test_chat_watches(
    opened: Opened, fitted: Library, transcript: Transcript, snapshot: SnapshotAssertion
) -> None:
    lines = ("Will it rain?", "/watch", "/watch formal", "And snow?", "/watch off", "/watch x")
    told = transcript(
        *("chat", "--watch", "calm", "--no-make", "--seed", "1"), input="\n".join(lines) + "\n"
    )
    assert told == snapshot


def test_a_trait_that_is_watched_gets_its_read_out_on_the_spot(
    opened: Opened, vectors: Library, invoke: Invoke
) -> None:
    """By its held-out pairs; where they tell nothing apart, or with --no-make, it is read raw."""
    refused = invoke("run", "--watch", "calm", "--no-make", "Hi")
    assert "in raw units" in refused.stderr
    made = invoke("run", "--watch", "calm", "Hi")
    assert "calm has no read-out yet: fitting it" in made.stderr
    kept = Readout.of(vectors.load_vector("calm"))
    told = "kept with the vector" if kept else "does not tell these texts apart"
    assert told in made.stderr
    again = invoke("run", "--watch", "calm", "Hi")
    assert ("fitting it" in again.stderr) == (kept is None)


def test_the_bar_of_the_chat_has_a_gauge(fitted: Library) -> None:
    from edgesteer.cli.chat.session import ChatSession
    from edgesteer.cli.chat.writers import PlainWriter
    from edgesteer.engine.fake import FakeModel

    with FakeModel("fake", identity=IDENTITY, library=fitted) as model:
        session = ChatSession(model.chat(), model, fitted, PlainWriter(), name="fake")
        assert "calm" not in session.status()
        session.watch("calm")
        assert "calm –" in session.status()
        session.handle("Will it rain?")
        values = session.gauge.values["calm"]
        assert f"{sum(values) / len(values):+.2f}" in session.status()
        session.watch()
        assert "calm" not in session.status()


def test_a_read_out_is_fitted_and_kept(
    tiny: str, library: Library, invoke: Invoke, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    prompts(10, 1, texts)
    common = ("-m", tiny, "--threads", "1", "--ctx", "512")
    before = library.load_vector("early")
    options = ("--fit", "--on", str(texts), "--tokens", "mean")
    told = json.loads(invoke("monitor", "early", *options, "--json", *common).stdout)
    vector = library.load_vector("early")
    assert vector.digest == before.digest
    kept = Readout.of(vector)
    assert kept is not None
    assert (kept.layer, kept.positions) == (told["layer"], "mean")
    assert kept.threshold == told["point"]["threshold"]
    shown = invoke("monitor", "early", *options, *common)
    assert "at work    threshold" in shown.stdout
    assert f"in place of the read-out {kept}" in shown.stderr
    assert "next: edgesteer chat --watch early" in shown.stderr
    facts = json.loads(invoke("vectors", "show", "early", "--json").stdout)
    assert facts["meta"]["readout"]["layer"] == kept.layer
    assert "direction" not in facts["meta"]["readout"]
    assert "threshold" in invoke("vectors", "show", "early").stdout


def test_a_condition_is_found_and_printed_ready_to_use(
    tiny: str, library: Library, invoke: Invoke, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.jsonl"
    prompts(10, 1, texts)
    common = ("-m", tiny, "--threads", "1", "--ctx", "512", "--layers", "1-2")
    result = invoke("monitor", "early", "--find-condition", str(texts), *common)
    assert result.exit_code == 0
    condition = result.stdout.strip()
    assert condition.startswith("if=early")
    assert "F1" in result.stderr
    told = json.loads(
        invoke("monitor", "early", "--find-condition", str(texts), "--json", *common).stdout
    )
    assert told["text"] == condition
    answer = invoke(
        *("run", "-s", f"early=1@3?{condition}", "--max-tokens", "4", "abc"), *common[:6]
    )
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["calm"], "no text to read"),
        (["calm", ""], "prompt is empty"),
        (["calm", "--fit", "text"], "reads labelled texts"),
        (["calm", "--fit", "--find-condition", "x.jsonl"], "two jobs"),
        (["nobody", "text"], "no vector 'nobody'"),
        (["calm@9", "text"], "carries nothing at layer 9"),
        (["formal", "--fit", "--on", "a.jsonl", "--on", "b.jsonl"], "one source"),
        (["mine", "--fit"], "no labelled texts"),
        (["calm formal", "--fit"], "several vectors"),
        (["calm", "--find-condition", "none.jsonl"], "can not be read"),
        (["calm", "--find-condition", "x.jsonl", "--tokens", "answer"], "read on the prompt"),
    ],
)
def test_what_can_not_be_done_is_said(
    opened: Opened, fitted: Library, invoke: Invoke, args: list[str], says: str
) -> None:
    fitted.save_vector(ControlVector({2: [0.5] * 8}, IDENTITY, name="mine"), "mine")
    result = invoke("monitor", *args)
    assert result.exit_code in (1, 2)
    assert says in result.stderr
    assert not result.stdout


def test_unlabelled_texts_and_one_class_only_are_refused(
    opened: Opened, fitted: Library, invoke: Invoke, tmp_path: Path
) -> None:
    file = tmp_path / "texts.jsonl"
    for rows, says in (
        ('{"prompt": "a"}', "the text has no label"),
        ('{"prompt": "a", "label": 1}\n{"prompt": "b", "label": 1}', "all 2 texts are positive"),
    ):
        file.write_text(rows, encoding="utf-8")
        for job in ("--find-condition", "--on"):
            extra = ("--fit",) if job == "--on" else ()
            result = invoke("monitor", "calm", *extra, job, str(file))
            assert result.exit_code == 1
            assert says in result.stderr
            assert "Hint:" in result.stderr


def test_a_read_out_of_another_model_is_refused(
    tiny: str, opened: Opened, library: Library, invoke: Invoke
) -> None:
    result = invoke("run", "--watch", "early", "Hi")  # the fake model is another one
    assert result.exit_code == 1
    assert "does not fit this model" in result.stderr


def test_shades() -> None:
    assert shaded("calm", None) == shaded("calm", 0.05) == "calm"
    assert shaded("  ", 1.0) == "  "
    assert shaded(" calm\n", 1.0) == " " + click.style("calm", fg=16, bg=203) + "\n"
    assert shaded("a\nb", -1.0).count("\x1b[48;5;75m") == 2


def test_levels_follow_a_running_mean() -> None:
    point = Readout("calm", 2, [1.0] * 8, positions="answer", point=POINT)
    steady = Range(point)
    levels = [steady.level(2.0) or 0.0 for _ in range(12)]
    assert levels == sorted(levels)
    assert levels[0] == pytest.approx(0.6)
    assert levels[-1] == 1.0
    assert steady.level(None) is None
    raw = Range(Readout("calm", 2, [1.0] * 8))
    assert [raw.level(x) for x in (5.0, 5.0, 5.0)] == [0.0, 0.0, 0.0]


def test_waves() -> None:
    assert wave([], fixed=True) == ""
    assert wave([-9, 0, 9], fixed=True) == "▁▅█"
    assert wave([1, 1], fixed=False) == "▁▁"
    assert len(wave(list(range(100)), fixed=False, width=24)) == 24


def test_a_shaded_text_breaks_its_lines_where_a_plain_one_does() -> None:
    pieces = ["a qui", "ck", " brown", "  fox jum", "ps\n\nover the", " lazy dog", " again"]
    plain, coloured = WordWrap(12), ShadedWrap(12)
    expected = "".join(map(plain.feed, pieces)) + plain.rest()
    told = "".join(coloured.feed(piece, i / 6) for i, piece in enumerate(pieces))
    assert click.unstyle(told + coloured.rest()) == expected


def test_an_audit_says_what_a_read_out_is_worth(
    tiny: str, library: Library, invoke: Invoke, tmp_path: Path
) -> None:
    files = [tmp_path / "own.jsonl", tmp_path / "other.jsonl"]
    for seed, file in enumerate(files):
        prompts(8, seed + 1, file)
    on = [part for file in files for part in ("--on", str(file))]
    common = ("--audit", *on, "-m", tiny, "--threads", "1", "--ctx", "512", "--layers", "1-2")
    page = tmp_path / "audit.html"
    result = invoke("monitor", "early", *common, "--html", str(page))
    assert result.exit_code == 0
    assert result.stdout.startswith("AUROC of")
    assert "These figures do not bear out:" in result.stdout
    told = json.loads(invoke("monitor", "early", *common, "--json", "--max-texts", "12").stdout)
    assert told["own"] == "own"
    assert told["verdict"]["title"].startswith("early")
    assert "Audit of the read-out early" in page.read_text(encoding="utf-8")
    assert {family["n_positive"] for family in told["families"]} == {6}
    assert not told["apart"]  # a raw read-out: nobody knows what it was chosen on
    assert "texts left out: AUROC" not in result.stdout

    made = library.load_vector("early").with_(meta={"pairs": "elsewhere"})
    library.save_vector(made, "early", replace=True)
    assert invoke("monitor", "early", "--fit", "--on", str(files[0]), *common[5:]).exit_code == 0
    told = json.loads(invoke("monitor", "early", *common, "--json").stdout)
    assert told["apart"]
    cells = {(x["kind"], x["judged_on"]): x for x in told["cells"] if x["trained_on"] == "own"}
    assert cells["readout", "own"]["auroc"]["n"] == 8  # texts, of 16
    assert cells["readout", "other"]["auroc"]["n"] == 16
    alone = invoke("monitor", "early", "--audit", "-m", tiny)
    assert alone.exit_code == 1
    assert "no labelled texts" in alone.stderr
