"""The public names: fixed here, each reachable, none loaded before it is used."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import pytest

import edgesteer
from edgesteer import errors

PUBLIC = [
    "ArchitectureError", "Busy", "Calibration", "Cancelled", "Chat", "ContextFullError",
    "ControlVector", "DeviceError", "EdgesteerError", "EdgesteerWarning", "EngineError",
    "FileWriteError", "FitWarning", "Gate", "InputError", "Job", "LayerError", "LayerRange",
    "Library", "MissingExtraError", "Model", "ModelError", "ModelIdentity", "NotFoundError",
    "PairsError", "Readout", "Recipe", "RecipeError", "Reply", "Sampling", "Steering",
    "SteeringError", "StrengthWarning", "Term", "VectorFileError", "VectorMismatchError",
    "__version__", "as_steering", "load_trait", "make_vector", "read_model_identity",
]  # fmt: skip
ERRORS = [getattr(errors, name) for name in errors.__all__]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert sorted(edgesteer.__all__) == sorted(PUBLIC)
    assert dir(edgesteer) == sorted(PUBLIC)
    assert sorted({*edgesteer._HOME_OF, "__version__"}) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there(name: str) -> None:
    assert getattr(edgesteer, name) is getattr(edgesteer, name)
    if inspect.isclass(getattr(edgesteer, name)):
        assert getattr(edgesteer, name).__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Modle'"):
        edgesteer.Modle  # noqa: B018


def test_importing_loads_nothing_of_the_package() -> None:
    assert {name for name in loaded_after("import edgesteer") if name.startswith("edgesteer")} == {
        "edgesteer"
    }


def test_values_without_arrays_do_not_load_numpy() -> None:
    loaded = loaded_after(
        "import edgesteer as es; es.Steering.parse('calm=1@8-16'); es.LayerRange.parse('all'); "
        "es.read_model_identity; es.Sampling(); es.NotFoundError"
    )
    assert "numpy" not in loaded


@pytest.mark.parametrize("kind", ERRORS)
def test_the_tree_of_errors_is_drawn_as_it_is(kind: type[Exception]) -> None:
    lines = (errors.__doc__ or "").splitlines()
    (line,) = [line for line in lines if line.strip("│├└─ ").split(" ")[0] == kind.__name__]
    parent = kind.__mro__[1].__name__
    if parent in errors.__all__:
        depth = len(line) - len(line.lstrip("│├└─ "))
        above = [
            each.strip("│├└─ ").split(" ")[0]
            for each in lines[: lines.index(line)]
            if each.strip() and len(each) - len(each.lstrip("│├└─ ")) == depth - 4
        ]
        assert above[-1] == parent


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if not issubclass(kind, Warning)])
def test_errors_carry_a_message_and_a_hint(kind: type[errors.EdgesteerError]) -> None:
    error = kind("what", "cure")
    assert (str(error), error.message, error.hint) == ("what", "what", "cure")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.hint) == (kind, "what", "cure")
    assert copy.copy(error).hint == "cure"
    assert kind("what").hint == ""
