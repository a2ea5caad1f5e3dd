"""`/metrics`: what Prometheus gathers. Its labels are few whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from app.errors import WorkerUnavailableError
from app.web.services import Services

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one web process, and of what it sees of broker and workers.

    Args:
        services: What the process works with.
    """

    def __init__(self, services: Services) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(_System(services))
        self._requests = Counter(
            "locuscope_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "locuscope_request_seconds",
            "Time to answer a request.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )

    def count(self, response: Response, seconds: float) -> None:
        """Counts the request in hand."""
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in ("GET", "HEAD", "POST") else "other"
        self._requests.labels(method, route, response.status_code).inc()
        self._seconds.labels(route).observe(seconds)

    def show(self) -> Response:
        """Returns all metrics as Prometheus reads them."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)


class _System:
    """What is looked up when Prometheus asks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Keeps the registry from asking the broker when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics; without a broker those that need none."""
        its = self._services
        yield GaugeMetricFamily(
            "locuscope_stored_bytes", "Size of the stored results.", its.store.bytes_used
        )
        yield GaugeMetricFamily(
            "locuscope_stored_limit_bytes", "Most that is stored.", its.settings.cache_bytes
        )
        up = GaugeMetricFamily("locuscope_broker_up", "Whether the broker answers.")
        workers = GaugeMetricFamily("locuscope_workers", "Workers.", labels=("device", "state"))
        queue = GaugeMetricFamily("locuscope_queue_jobs", "Jobs that wait.", labels=("family",))
        ended = CounterMetricFamily(
            "locuscope_jobs", "Jobs that ended.", labels=("family", "outcome")
        )
        took = CounterMetricFamily(
            "locuscope_compute_seconds", "Time that jobs took to compute.", labels=("family",)
        )
        try:
            self._look(workers, queue, ended, took)
        except WorkerUnavailableError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from (up, workers, queue, ended, took)

    def _look(
        self,
        workers: GaugeMetricFamily,
        queue: GaugeMetricFamily,
        ended: CounterMetricFamily,
        took: CounterMetricFamily,
    ) -> None:
        found = [
            (worker.device, "busy" if worker.job else "idle")
            for worker in self._services.jobs.workers()
        ]
        for labels in sorted(set(found)):
            workers.add_metric(labels, found.count(labels))
        for family in self._services.families():
            queue.add_metric([family], self._services.jobs.waiting(family))
            counts = self._services.jobs.counts(family)
            ended.add_metric([family, "done"], counts.done)
            ended.add_metric([family, "failed"], counts.failed)
            took.add_metric([family], counts.seconds)
