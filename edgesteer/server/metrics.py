"""Figures of the server in Prometheus' text format.

Does not know requests; each server has a registry of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from edgesteer.engine.job import Job
    from edgesteer.server.state import Served

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters and gauges of one server."""

    def __init__(self, served: Served) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "edgesteer_requests", "HTTP requests", ["route", "status"], registry=self.registry
        )
        self._tokens = Counter(
            "edgesteer_tokens", "Tokens of answers and their prompts", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        self._answers = Counter(
            "edgesteer_answers", "Finished answers", ["finish", "carrier"], registry=self.registry
        )
        self._first = Histogram(
            "edgesteer_first_token_seconds", "From an answer's start to its first token",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._waited = Histogram(
            "edgesteer_queue_seconds", "Spent waiting for a slot", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        for name, text, read in (
            ("edgesteer_answers_running", "Answers being written", lambda: served.load()[0]),
            ("edgesteer_answers_waiting", "Answers waiting for a slot", lambda: served.load()[1]),
            ("edgesteer_slots", "Answers that can be written at once", lambda: served.model.n_seq),
        ):
            Gauge(name, text, registry=self.registry).set_function(read)

    def request(self, route: str, status: int) -> None:
        """An HTTP request was answered."""
        self._requests.labels(route, str(status)).inc()

    def count(self, job: Job) -> None:
        """An answer's figures; one that failed, or is being cancelled, counts by that alone."""
        if not job.done or job.failed:
            finish = "error" if job.done else "cancelled"
            self._answers.labels(finish, "none").inc()
            return
        reply = job.result()
        self._answers.labels(reply.finish, reply.carrier).inc()
        usage, timing = reply.usage, reply.timing
        self._tokens.labels("prompt").inc(usage.prompt_tokens)
        self._tokens.labels("cached").inc(usage.cached_tokens)
        self._tokens.labels("completion").inc(usage.completion_tokens)
        self._waited.observe(timing.queue_s)
        if usage.completion_tokens:
            self._first.observe(timing.first_token_s)

    def text(self) -> bytes:
        """All figures, in Prometheus' text format."""
        text: bytes = generate_latest(self.registry)
        return text
