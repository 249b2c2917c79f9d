"""The server's health: /healthz, /readyz, and numbers in Prometheus' text format."""

from __future__ import annotations

import time
from typing import Protocol

from flask import Blueprint, Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imgsearch.errors import ImgsearchError
from web.http.context import SERVICE, current_service, draining

blueprint = Blueprint("metrics", __name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each number, which says when it was first counted

_KEY = "imgsearch.metrics"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counting(Protocol):
    """A service that counts."""

    def gauges(self) -> dict[str, tuple[str, float]]:
        """Name -> (description, present value)."""
        ...

    def counts(self) -> dict[str, tuple[str, float]]:
        """Name -> (description, number of occurrences)."""
        ...


class Metrics:
    """One app's numbers; each app has its own registry, so that tests may make many."""

    def __init__(self, *services: Counting) -> None:
        self.registry = CollectorRegistry()
        labels = ("endpoint", "method")
        self.answers = Counter(
            "imgsearch_http_answers", "Answers by status", (*labels, "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "imgsearch_http_seconds",
            "Seconds until an answer's head was ready",
            labels,
            buckets=_SECONDS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        for service in services:
            self.registry.register(_ServiceNumbers(service))


class _ServiceNumbers(Collector):
    """The service's own counts, read when they are requested."""

    def __init__(self, service: Counting) -> None:
        self._service = service

    def collect(self) -> list[Metric]:
        """Gauges for present values, counters for occurrences."""
        found: list[Metric] = []
        for name, (text, value) in self._service.gauges().items():
            found.append(GaugeMetricFamily(f"imgsearch_{name}", text, value=value))
        for name, (text, value) in self._service.counts().items():
            found.append(CounterMetricFamily(f"imgsearch_{name}", text, value=value))
        return found


def install_metrics(app: Flask, *services: Counting) -> None:
    """Count every answer of ``app``, and report its services' counts."""
    metrics = app.extensions[_KEY] = Metrics(*services)

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _count(response: Response) -> Response:
        # Unknown paths share one name: a label for each would let a scanner fill the memory.
        labels = (request.endpoint or "none", request.method if request.endpoint else "any")
        metrics.answers.labels(*labels, str(response.status_code)).inc()
        metrics.seconds.labels(*labels).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return response


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """The library can be read, and the server is not about to stop; 503 otherwise."""
    if draining().is_set():
        return Response("leaving\n", 503, mimetype="text/plain")
    if SERVICE not in current_app.extensions:
        return Response("there is no library yet\n", 503, mimetype="text/plain")
    try:
        current_service().store.generation()
    except ImgsearchError as error:
        return Response(f"the library cannot be read: {type(error).__name__}\n", 503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


@blueprint.get("/metrics")
def numbers() -> ResponseReturnValue:
    """Everything that is counted."""
    metrics: Metrics = current_app.extensions[_KEY]
    return Response(generate_latest(metrics.registry), content_type=_TYPE)
