"""Groups of commands that are imported when used, and what becomes of an error on its way out.

Does not know any command.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from edgesteer.errors import Cancelled, EdgesteerError, EdgesteerWarning

__all__ = ["MODEL", "OFFLINE", "VERBOSITY", "LazyGroup", "RootGroup", "recall", "show_error"]

VERBOSITY = "edgesteer.verbosity"
MODEL = "edgesteer.model"  # what the person calls the model, for hints that name it
OFFLINE = "edgesteer.offline"
FAILED, CANCELLED = 1, 130


class LazyGroup(click.Group):
    """A group whose commands are named as 'module:attribute' and imported on first use."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the help text."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.lazy[cmd_name]} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the near names of a mistyped command."""
        name = args[0]
        if name not in self.lazy and not name.startswith("-") and not ctx.resilient_parsing:
            from edgesteer.names import did_you_mean

            ctx.fail(f"No such command {name!r}. {did_you_mean(name, self.lazy)}".rstrip())
        return super().resolve_command(ctx, args)


class RootGroup(LazyGroup):
    """The top of the tree: shows errors and warnings to people and turns them into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; 1 for an error, 130 when the person cancelled."""
        try:
            with _shown_warnings():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort, Cancelled) as error:
            self._trace(ctx)
            click.echo("Cancelled." if not str(error) else f"Cancelled: {error}", err=True)
            code = CANCELLED
        except EdgesteerError as error:
            self._trace(ctx)
            show_error(error)
            code = FAILED
        except BrokenPipeError:
            raise  # click ends quietly when the reader of a pipe has gone
        except OSError as error:
            self._trace(ctx)
            where = f"{error.filename}: " if error.filename else ""
            hint = ""
            refused = (PermissionError, NotADirectoryError, FileExistsError)
            if error.filename and isinstance(error, refused):
                hint = f"check the permissions of {error.filename}, or set EDGESTEER_HOME"
            show_error(EdgesteerError(f"{where}{error.strerror or error}", hint))
            code = FAILED
        return ctx.exit(code)

    @staticmethod
    def _trace(ctx: click.Context) -> None:
        if ctx.meta.get(VERBOSITY, 0) >= 2:
            error = sys.exception()
            if isinstance(error, EdgesteerError):
                error.__notes__ = []  # the hint is shown below
            click.echo(traceback.format_exc(), err=True, nl=False)


def recall(key: str) -> Any:
    """What a command has noted under MODEL or VERBOSITY; None outside of a command."""
    context = click.get_current_context(silent=True)
    return context.meta.get(key) if context else None


def show_error(error: EdgesteerError) -> None:
    """What went wrong and what cures it, on stderr; the hint names the model that is in use."""
    from edgesteer.cli._show import printable

    model = recall(MODEL)
    named = f' -m "{model}"' if model and " " in model else f" -m {model}" if model else ""
    hint = error.hint.replace(" -m MODEL", named)
    click.echo(click.style("Error: ", fg="red", bold=True) + printable(error.message), err=True)
    if hint:
        click.echo(click.style("Hint: ", bold=True) + printable(hint), err=True)


@contextmanager
def _shown_warnings() -> Iterator[None]:
    """Warnings of this package become one line each on stderr, once."""
    seen: set[str] = set()
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if not issubclass(category, EdgesteerWarning):
            usual(message, category, *rest, **more)
        elif str(message) not in seen:
            seen.add(str(message))
            click.echo(click.style("Warning: ", fg="yellow") + str(message), err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", EdgesteerWarning)
        warnings.showwarning = show
        yield
