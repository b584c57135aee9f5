"""`edgesteer traits`: the list, one trait, a file of one's own, and a copy to begin from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from convert.pairs import ContrastPairs
from edgesteer.library import builtin_traits

from .conftest import Invoke


def test_the_list_names_every_trait_and_what_is_made(invoke: Invoke) -> None:
    listed = invoke("traits")
    assert listed.exit_code == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    assert names == list(builtin_traits())
    told = json.loads(invoke("traits", "--json").stdout)
    assert [t["name"] for t in told] == names
    assert all(t["description"] and t["pairs"] and t["test_items"] for t in told)


def test_one_trait_shows_its_contrast(invoke: Invoke) -> None:
    shown = invoke("traits", "calm")
    pairs = ContrastPairs.load("calm")
    assert pairs.description in shown.stdout
    assert f"{len(pairs)}, and {len(pairs.heldout)} to judge the vector by" in shown.stdout
    assert str(pairs.pairs[0].positive.system) in shown.stdout
    assert "edgesteer extract calm" in shown.stderr
    assert json.loads(invoke("traits", "calm", "--json").stdout)["score"] == "temper"


def test_a_file_of_ones_own_is_checked_and_shown(invoke: Invoke, tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    rows = [{"positive": f"I love {x}.", "negative": f"I hate {x}."} for x in ("tea", "rain", "it")]
    mine.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert "none: open answers are not scored" in invoke("traits", str(mine)).stdout
    mine.write_text('{"positive": "a"}', encoding="utf-8")
    wrong = invoke("traits", str(mine))
    assert wrong.exit_code == 1
    assert "line 1" in wrong.stderr


def test_a_copy_is_the_trait_and_overwrites_nothing(invoke: Invoke, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    assert invoke("traits", "happy", "-o", str(mine)).exit_code == 0
    assert replace(ContrastPairs.load(mine), name="happy") == ContrastPairs.load("happy")
    assert ContrastPairs.load(mine).name == "mine"  # so that its vector replaces none
    mine.write_text("mine", encoding="utf-8")
    again = invoke("traits", "happy", "-o", str(mine))
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert mine.read_text(encoding="utf-8") == "mine"
    assert "does not end in .toml" in invoke("traits", "calm", "-o", str(tmp_path / "x")).stderr
    assert invoke("traits", "-o", str(tmp_path / "x.toml")).exit_code == 2
    own = invoke("traits", "happy", "-o", str(tmp_path / "calm.toml"))
    assert "whose vector yours would replace" in own.stderr
    for bad in ('my "x".toml', "con.toml"):
        assert invoke("traits", "happy", "-o", str(tmp_path / bad)).exit_code == 1
    told = json.loads(invoke("traits", "happy", "-o", str(tmp_path / "b c.toml"), "--json").stdout)
    assert ContrastPairs.load(told["path"]).name == "b c"
    mine = mine.rename(tmp_path / "mine.jsonl")
    mine.write_text(
        "\n".join(json.dumps({"positive": x, "negative": f"no {x}"}) for x in "abc"),
        encoding="utf-8",
    )
    assert "is no built-in trait" in invoke("traits", str(mine), "-o", "y.toml").stderr
