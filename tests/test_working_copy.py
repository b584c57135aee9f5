"""Working copies: the fastest close one is chosen, and found again only when sound."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgesteer import Library, Model, tune
from edgesteer.errors import EdgesteerError, InputError, NotFoundError
from edgesteer.identity import read_model_identity
from edgesteer.working_copy import BOUND, FORMATS, CopyShelf, split_name

from .engine.tools import decoded_rows
from .tiny import write_model

Speeds = Callable[..., None]
Tune = Callable[..., tune.Table]


@pytest.fixture
def library(tmp_path: Path, tiny_path: Path) -> Library:
    """A library of its own that knows the tiny model as `tiny`."""
    library = Library(tmp_path / "home")
    library.add_model(tiny_path, "tiny")
    return library


@pytest.fixture
def shelf(library: Library) -> CopyShelf:
    return CopyShelf(library)


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> Speeds:
    """speeds(q8_0=3, other=1): how fast each format reads, whatever the clock says."""

    def set_speeds(other: float = 1.0, **known: float) -> None:
        def reading(model: Model, _n: int) -> float:
            name = next((name for name in FORMATS if f"-{name}." in model.path.name), "")
            return 100 * known.get(name, other)

        monkeypatch.setattr(tune, "_reading", reading)

    return set_speeds


@pytest.fixture
def tuned(library: Library) -> Tune:
    """Tunes the tiny model."""

    def run(**how: object) -> tune.Table:
        def open_file(path: Path) -> Model:
            return Model.open(path, library=library, n_ctx=1024, threads=1)

        entry = library.find_model("tiny")
        return tune.tune(library, entry, open_file, **{"key": "here", **how})  # type: ignore[arg-type]

    return run


def files(shelf: CopyShelf) -> list[str]:
    """What lies in the folder, without the hashes."""
    names = (path.name for path in shelf.folder.glob("*"))
    return sorted(name.partition("-")[2] or Path(name).suffix for name in names)


# choosing ----------------------------------------------------------------------------------------


def test_the_fastest_close_copy_is_kept(speeds: Speeds, tuned: Tune, shelf: CopyShelf) -> None:
    speeds(q8_0=2, bf16=3, f16=2.5, q4_0=9)
    table = tuned()
    assert table.format == "bf16"
    assert table.gain == pytest.approx(3)
    assert [row.format for row in table.rows] == ["f32", *FORMATS]
    assert files(shelf) == [".json", "bf16.gguf", "bf16.json"]
    by_name = {row.format: row for row in table.rows}
    assert 0 < by_name["bf16"].kl < by_name["q8_0"].kl < BOUND < by_name["q4_0"].kl
    assert "too far" in by_name["q4_0"].problem
    assert tune.remembered(shelf._library, shelf._library.find_model("tiny").path, "here") == table


def test_without_a_gain_nothing_is_kept(speeds: Speeds, tuned: Tune, shelf: CopyShelf) -> None:
    speeds(q8_0=1.1, q4_0=5)
    table = tuned()
    assert (table.format, table.gain) == ("", 1.0)
    assert files(shelf) == [".json"]


def test_a_close_copy_that_loses_again_is_never_chosen_by_itself(
    speeds: Speeds, tuned: Tune, shelf: CopyShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds(q8_0=2, q4_0=9)
    monkeypatch.setattr(tune._Texts, "distance", lambda _self, _model: 0.001)
    assert tuned().format == "q8_0"
    assert tuned(use="q4_0").format == "q4_0"
    assert "q4_0.gguf" in files(shelf)


def test_a_copy_beyond_the_bound_is_refused_and_deleted(tuned: Tune, shelf: CopyShelf) -> None:
    with pytest.raises(InputError, match="it is not kept"):
        tuned(use="q4_0")
    assert list(shelf.folder.iterdir()) == []


def test_an_interrupted_measurement_leaves_nothing(
    tuned: Tune, shelf: CopyShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: object, _model: Model) -> float:
        assert len(list(shelf.folder.glob(".*.trial"))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(tune._Texts, "distance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuned()
    assert list(shelf.folder.iterdir()) == []


def test_a_format_that_can_not_be_made_has_a_row_that_says_so(
    speeds: Speeds, tuned: Tune, library: Library, tmp_path: Path
) -> None:
    speeds(bf16=2)
    library.add_model(write_model(tmp_path / "narrow.gguf", n_embd=8, n_head=2), "narrow")
    rows = {row.format: row for row in tuned_of(library, "narrow").rows}
    assert "widths" in rows["q8_0"].problem
    assert not rows["bf16"].problem


def tuned_of(library: Library, name: str) -> tune.Table:
    def open_file(path: Path) -> Model:
        return Model.open(path, library=library, n_ctx=512, threads=1)

    return tune.tune(library, library.find_model(name), open_file, key="here")


def test_large_files_and_copies_are_not_copied_unasked(
    tuned: Tune, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned(use="q8_0")
    with pytest.raises(InputError, match="a working copy itself"):
        tuned_of(library, "tiny@q8_0")
    monkeypatch.setattr(tune, "LIMIT", 1000)
    with pytest.raises(InputError, match="fill much of a disk"):
        tuned()
    assert tuned(use="bf16", large=True).format == "bf16"


# finding again -----------------------------------------------------------------------------------


def test_a_copy_is_opened_by_name(tuned: Tune, library: Library, shelf: CopyShelf) -> None:
    with pytest.raises(NotFoundError, match="has not been made") as caught:
        library.find_model("tiny@q8_0")
    assert caught.value.hint == "edgesteer models tune tiny --use q8_0"
    tuned(use="q8_0")
    with Model.open("tiny@q8_0", library=library, n_ctx=256, threads=1) as model:
        assert model.name == "tiny@q8_0"
        assert "Q8_0" in model.description
        assert model.identity == read_model_identity(library.find_model("tiny").path)
    (copy,) = shelf.all_of(library.find_model("tiny").path)
    assert copy.path == library.find_model("tiny@Q8_0").path
    assert str(copy) == f"q8_0, KL {copy.kl:.4f}"
    assert [entry.name for entry in library.models() if "q8_0" in entry.name] == []


def test_names_with_other_words_behind_an_at_are_names() -> None:
    assert split_name("tiny@8-16") == ("tiny@8-16", "")
    assert split_name("@q8_0") == ("@q8_0", "")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: os.truncate(path, 5000),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text('{"format": "q8_0", "kl": "small"}'),
        Path.unlink,
    ],
    ids=["flipped", "cut", "unsealed", "half a seal", "odd seal", "gone"],
)
def test_a_damaged_copy_is_not_used_and_is_made_again(
    damage: Callable[[Path], object], tuned: Tune, library: Library, shelf: CopyShelf
) -> None:
    tuned(use="q8_0")
    original = library.find_model("tiny").path
    (copy,) = shelf.all_of(original)
    assert shelf.preferred(original, "tiny", "here") == (copy, "")
    damage(copy.path)
    assert shelf.find(original, "q8_0") is None
    found, why = shelf.preferred(original, "tiny", "here")
    assert found is None
    assert "damaged or gone" in why
    assert tune.remembered(library, original, "here") is None
    with pytest.raises(NotFoundError):
        library.find_model("tiny@q8_0")
    tuned(use="q8_0")
    assert shelf.preferred(original, "tiny", "here")[0] == copy


def test_a_changed_original_has_no_copy(
    tuned: Tune, library: Library, shelf: CopyShelf, tmp_path: Path
) -> None:
    mine = write_model(tmp_path / "mine.gguf")
    library.rm_model("tiny")
    library.add_model(mine, "tiny")
    tuned(use="q8_0")
    assert shelf.find(mine, "q8_0")
    write_model(mine, seed=1)
    assert shelf.find(mine, "q8_0") is None
    assert shelf.preferred(mine, "tiny", "here") == (None, "")


def test_a_seal_beyond_the_bound_does_not_count(
    tuned: Tune, library: Library, shelf: CopyShelf
) -> None:
    tuned(use="q8_0")
    original = library.find_model("tiny").path
    seal = library.find_model("tiny@q8_0").path.with_suffix(".json")
    seal.write_text(json.dumps({**json.loads(seal.read_text()), "kl": 0.5}))
    assert shelf.find(original, "q8_0") is None


def test_a_measurement_holds_on_its_own_machine_only(
    tuned: Tune, library: Library, shelf: CopyShelf
) -> None:
    tuned(use="q8_0")
    original = library.find_model("tiny").path
    found, why = shelf.preferred(original, "tiny", "elsewhere")
    assert found is None
    assert why.endswith("edgesteer models tune tiny --again")
    assert tune.remembered(library, original, "elsewhere") is None
    assert shelf.find(original, "q8_0")


def test_copies_and_abandoned_trials_are_removed(
    tuned: Tune, library: Library, shelf: CopyShelf
) -> None:
    tuned(use="q8_0")
    original = library.find_model("tiny").path
    old, young = (shelf.trial(original, name) for name in ("bf16", "f16"))
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - 1e5,) * 2)
    shelf.trial(original, "bf16")
    assert not old.exists()
    assert young.exists()
    assert len(shelf.remove(original)) == 1
    assert list(shelf.folder.iterdir()) == []
    assert shelf.remove(original) == []


def test_every_refusal_has_a_cure(tuned: Tune) -> None:
    for how in ({"use": "q9"}, {"use": "f32"}, {"use": "q4_0"}):
        with pytest.raises(EdgesteerError) as caught:
            tuned(**how)
        assert caught.value.hint


# the bundled model -------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("name", ["q8_0", "bf16"])
def test_copies_of_a_real_model_read_the_same(smollm2: Model, name: str, tmp_path: Path) -> None:
    library = Library(tmp_path)
    texts = [
        "The train was late and nobody knew why.",
        "<|im_start|>user\nHow was your day?<|im_end|>\n<|im_start|>assistant\nWell, I",
    ]

    def open_file(path: Path) -> Model:
        return Model.open(path, library=library, n_ctx=1024)

    entry = library.find_model("smollm2")
    table = tune.tune(library, entry, open_file, key="here", use=name)
    row = table.rows[1]
    assert 0 < row.kl < BOUND
    with Model.open(f"smollm2@{name}", library=library, n_ctx=1024) as copy:
        assert copy.identity == smollm2.identity
        ours, theirs = (m.capture(texts, "10-24").rows for m in (copy, smollm2))
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    cosines = (ours * theirs).sum(axis=-1) / norms
    assert cosines.min() > 0.999


def test_a_speed_is_that_of_reading_and_not_of_remembering(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model has read before costs nothing: each trial reads all of its tokens."""
    read = decoded_rows(monkeypatch)
    with Model.open(tiny_path, n_ctx=1024, threads=1) as model:
        for _ in range(3):
            read.clear()
            tune._reading(model, 64)
            assert sum(read) > 56
