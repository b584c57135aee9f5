"""What is served: one model, its vectors, recipes, live default steering and running answers.

Does not know HTTP; handlers ask it who is meant by a model's name and what steers an answer.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread

from edgesteer import __version__
from edgesteer.errors import EdgesteerError, NotFoundError
from edgesteer.names import check_file_name, did_you_mean
from edgesteer.recipe import Recipe
from edgesteer.server.answers import Answers, Ask, Mailbox, unless_gone
from edgesteer.server.asked import SEEDS, Asked
from edgesteer.server.errors import Failure, FieldError, RequestError, failure_of
from edgesteer.server.metrics import Metrics
from edgesteer.server.settings import Settings
from edgesteer.server.steering import Applied, Binder, LiveSteering
from edgesteer.server.vectors import NamedVectors
from edgesteer.steering import Steering, Term

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgesteer.engine.job import Job, Reply
    from edgesteer.model import Model
    from edgesteer.monitor.readout import Readout

__all__ = ["Served"]

_CHARACTERS = 64  # that a token has at most, or nearly
_THREADS = 4  # that read prompts and vector files, so that the event loop does not wait


class Served:
    """A model behind the server. Methods are for the event loop but where they say otherwise."""

    def __init__(
        self,
        model: Model,
        settings: Settings,
        *,
        steer: Any = None,
        system: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> None:
        """`steer`, `system` and `sampling` act on requests that state none of their own."""
        steering = model.bind(steer)
        self.model, self.settings, self.limits = model, settings, settings.limits
        self.system, self.sampling = system, dict(sampling or {})
        self.vectors = NamedVectors(model.library, model.identity, _given(steering))
        self.binder = Binder(model, self.vectors, self.limits.terms)
        self.live = LiveSteering(steering)
        self.running: set[Job] = set()
        self.metrics = Metrics(self)
        self.started = time.time()
        self._usual_s = 1.0  # that an answer takes, lately
        self.turning, self.saving = asyncio.Lock(), asyncio.Lock()
        # These belong to the event loop, and are made when it runs.
        self._limiters: dict[bool, CapacityLimiter] = {}
        self._mailbox: Mailbox | None = None

    async def in_thread(
        self, work: Callable[..., Any], *arguments: Any, waits: bool = False
    ) -> Any:
        """`work(*arguments)` on a thread; it is waited for whatever happens.

        Work that `waits` for the engine has threads of its own, so that it holds up nothing else.
        """
        if waits not in self._limiters:
            self._limiters[waits] = CapacityLimiter(_THREADS)
        return await to_thread.run_sync(work, *arguments, limiter=self._limiters[waits])

    # -- who is meant

    @property
    def fingerprint(self) -> str:
        """OpenAI's system fingerprint: equal where equal seeds give equal answers."""
        weights = (self.model.identity.weights_id or "unknown")[:8]
        return f"edgesteer-{__version__}-{weights}"

    def recipe_names(self) -> list[str]:
        """The recipes that can be asked for as `MODEL+RECIPE`."""
        found = []
        for name in self.model.library.recipe_names():
            try:
                if self._serves(self.recipe(name)):
                    found.append(name)
            except EdgesteerError:
                continue  # a damaged file is no model; GET /api/recipes tells of it
        return found

    def recipe(self, name: str) -> Recipe:
        """A recipe of the library, by its name alone. Raises NotFoundError, RecipeError."""
        library = self.model.library
        names = library.recipe_names()
        if name not in names:
            near = did_you_mean(name, names)
            cure = "GET /api/recipes lists them"
            raise NotFoundError(f"no recipe {name!r}"[:200], f"{near} {cure}".strip())
        return Recipe.load(library.recipes_folder / f"{check_file_name(name, 'recipe')}.toml")

    def misfit(self, recipe: Recipe) -> str:
        """Why a recipe can not be asked for here; '' when it can."""
        if not self._serves(recipe):
            return f"it is for the model {recipe.model!r}"
        try:
            self._bound(recipe)
        except EdgesteerError as error:
            return self.failure(error).message
        return ""

    @property
    def queue(self) -> int:
        """How many answers may wait."""
        return self.model.queue

    def _serves(self, recipe: Recipe) -> bool:
        name = self.model.name
        return recipe.model in (None, name, name.partition("@")[0], str(self.model.path))

    def applied(self, box: str, steering: str | Mapping[str, Any] | None) -> Applied:
        """What acts on a request with this in its model box and this in its field `steering`.

        Reads files: runs on a thread.

        Raises RequestError: 404 for a model that is not served, 422 for a steering that does not
        do.
        """
        recipe = self._recipe_of(box)
        own = None if steering is None else self.binder.read(steering)
        if recipe is None:
            if own is None:
                return Applied(self.live.steering, "default", box, self.system, self.sampling)
            return Applied(own, "request", box, self.system, self.sampling)
        try:
            base = self._bound(recipe)
        except EdgesteerError as error:
            failure = self.failure(error)
            raise FieldError("model", failure.message, failure.hint, code=failure.code) from error
        total = base if own is None else base.updated(own)
        return Applied(
            total, "recipe" if own is None else "request", box, recipe.system, recipe.sampling
        )

    def _recipe_of(self, box: str) -> Recipe | None:
        name = self.model.name
        if box in ("", name):
            return None
        served, plus, wanted = (
            box[: len(name)],
            box[len(name) : len(name) + 1],
            box[len(name) + 1 :],
        )
        if served != name or plus != "+":
            known = [name, *(f"{name}+{recipe}" for recipe in self.recipe_names())]
            raise RequestError(
                404,
                f"the model {box[:100]!r} is not served here",
                did_you_mean(box, known)
                or f"this server serves {name!r}; GET /v1/models lists all",
                param="model",
                code="model_not_found",
            )
        try:
            recipe = self.recipe(wanted)
        except NotFoundError as error:
            raise RequestError(
                404, error.message, error.hint, param="model", code="model_not_found"
            ) from error
        if not self._serves(recipe):
            raise FieldError("model", f"the recipe {wanted!r} is for the model {recipe.model!r}")
        return recipe

    def _bound(self, recipe: Recipe) -> Steering:
        """A recipe's steering; a person wrote it here, so that it may name files by their path."""
        library, identity = self.model.library, self.model.identity
        bound = recipe.steering.bind(lambda name: library.load_vector(name, identity))
        return self.model.prepare(bound, _pass)

    def watched(self, texts: Sequence[str]) -> dict[str, Readout]:
        """The read-outs that a request names, by name. Reads files: runs on a thread.

        Raises FieldError (422), which blames the field `watch`.
        """
        if not texts:
            return {}
        from edgesteer.monitor.watching import as_readouts

        try:
            return as_readouts(list(texts), self.model.identity, self.vectors.find)
        except EdgesteerError as error:
            failure = self.failure(error)
            raise FieldError("watch", failure.message, failure.hint, code=failure.code) from error

    # -- answers

    async def begin(
        self,
        asked: Asked,
        asks_of: Callable[[Applied], Sequence[Ask]],
        follows: Sequence[bool] | None = None,
    ) -> tuple[Applied, Answers]:
        """Start the answers of a request, all of them or none.

        `asks_of(applied)` says what the model is asked; the options in it may state a steering of
        their own. `follows` says which answers follow the live default (all, when that is what was
        applied). Who gets the answers must `finish` them.

        Raises what `applied` and `Model.start` raise.
        """
        if self._mailbox is None:
            self._mailbox = Mailbox(asyncio.get_running_loop())
        answers = Answers(self._mailbox, self.limits.seconds)

        def start() -> Applied:
            applied = self.applied(asked.model, asked.steering)
            asks = asks_of(applied)
            self.check_length([prompt for prompt, _ in asks])
            steered = [(prompt, {"steer": applied.steering, **more}) for prompt, more in asks]
            answers.start(self.model.start, steered)
            return applied

        try:
            applied: Applied = await self.in_thread(start)
        except BaseException:
            answers.close()
            raise
        if answers.late:  # the time was up while they were being started
            answers.cancel()
        try:
            for index, job in enumerate(answers.jobs):
                self.running.add(job)
                if applied.source == "default" and (follows is None or follows[index]):
                    self.live.follow(job)
        except BaseException:
            self.finish(answers)
            raise
        return applied, answers

    def check_length(self, prompts: Sequence[Any]) -> None:
        """Refuse a prompt that can not fit before it is read token by token, which takes a while.

        A prompt is text or a list of messages.

        Raises RequestError (422).
        """
        most = self.model.n_ctx * _CHARACTERS
        for prompt in {id(prompt): prompt for prompt in prompts}.values():
            texts = [prompt] if isinstance(prompt, str) else [m["content"] for m in prompt]
            if sum(map(len, texts)) > most:
                raise RequestError(
                    422,
                    f"the prompt has more than {most} characters: the context of "
                    f"{self.model.n_ctx} tokens can not hold it",
                    "shorten it, or start the server with a larger --ctx",
                    code="context_length_exceeded",
                )

    async def collect(self, request: Request, answers: Answers) -> list[Reply]:
        """The finished answers; raises what ended the first that failed, and ClientGone."""
        try:
            return await unless_gone(request.receive, answers.replies())
        finally:
            self.finish(answers)

    def seeded(self, options: Mapping[str, Any], asked: Asked) -> list[dict[str, Any]]:
        """The options of each of the n answers: their seeds count up from the one that is asked."""
        first = asked.seed if asked.seed is not None else options.get("seed")
        first = secrets.randbelow(SEEDS) if first is None else int(first)
        plain = {key: value for key, value in options.items() if value is not None}
        if plain.get("frequency_penalty") or plain.get("presence_penalty"):
            plain["repeat_last_n"] = self.model.n_ctx  # OpenAI's look back on the whole answer
        return [{**plain, "seed": (first + i) % SEEDS} for i in range(asked.n)]

    def failure(self, error: BaseException) -> Failure:
        """What a client is told of an exception."""
        found = failure_of(error, hide=str(self.model.library.home))
        return replace(found, retry_after=self._patience()) if found.code == "queue_full" else found

    def _patience(self) -> int:
        """In how many seconds a slot is likely to be free for who comes then."""
        _, waiting = self.load()
        return max(1, min(60, math.ceil(self._usual_s * (waiting + 1) / self.model.n_seq)))

    def finish(self, answers: Answers) -> None:
        """End what still runs and forget it. May be called twice."""
        if answers.closed:
            return
        answers.close()
        for job in answers.jobs:
            self.running.discard(job)
            self.live.leave(job)
            self.metrics.count(job)
            if job.done and not job.failed:
                timing = job.result().timing
                self._usual_s += 0.1 * (timing.prompt_s + timing.decode_s - self._usual_s)

    def load(self) -> tuple[int, int]:
        """How many answers are being written, and how many wait."""
        open_jobs = [job for job in self.running if job.sequence is not None and not job.done]
        busy = sum(1 for job in open_jobs if job.sequence and job.sequence.started)
        return busy, len(open_jobs) - busy


def _given(steering: Steering) -> dict[str, Any]:
    """The vectors of a bound steering, by the names it has for them."""
    found: dict[str, Any] = {}
    for term in steering.terms:
        found |= _vectors_of(term)
    return found


def _vectors_of(term: Term) -> dict[str, Any]:
    named = {
        term.name: term.vector,
        term.toward: term.toward_vector,
        term.gate.vector if term.gate else None: term.gate_vector,
    }
    return {name: vector for name, vector in named.items() if name and vector is not None}


def _pass(_warning: object) -> None:
    """The reply carries the warnings."""
