"""Prometheus numbers: requests and their latency as they happen, the state of the loop when scraped."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml_backend.errors import PapLoopError
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.state.store import Store
from ml_backend.web.inbox import Inbox

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
"""Upper ends of the latency classes, s; the targets 50 ms and 300 ms are among them."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The numbers of one web process."""

    def __init__(self, store: Store, inbox: Inbox, unanswered: Unanswered) -> None:
        self.registry = CollectorRegistry()
        names = ("method", "endpoint", "status")
        self._requests = Counter("paploop_requests", "Requests served.", names, registry=self.registry)
        self._latency = Histogram(
            "paploop_request_seconds", "Response time, seconds.", ("endpoint",), buckets=BUCKETS, registry=self.registry
        )
        self.ignored = Counter(
            "paploop_webhooks_ignored", "Webhooks with nothing to apply, by reason.", ("why",), registry=self.registry
        )
        self.registry.register(LoopState(store, inbox, unanswered))

    def watch(self, app: Flask) -> None:
        """Measure every request of an application."""

        @app.before_request
        def start() -> None:
            g.paploop_started = time.perf_counter()

        @app.after_request
        def stop(response: Response) -> Response:
            endpoint = request.endpoint or "unknown"
            started = g.get("paploop_started")
            if started is not None:
                self._latency.labels(endpoint).observe(time.perf_counter() - started)
            method = request.method if request.endpoint else "any"
            self._requests.labels(method, endpoint, str(response.status_code)).inc()
            return response

    def page(self) -> Response:
        """The page that Prometheus scrapes."""
        return Response(generate_latest(self.registry), content_type=CONTENT_TYPE)


class LoopState(Collector):
    """Gauges read from the database when asked."""

    def __init__(self, store: Store, inbox: Inbox, unanswered: Unanswered) -> None:
        self._store = store
        self._inbox = inbox
        self._unanswered = unanswered

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: the database is not read before the first scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """One gauge per quantity; if the database is unavailable, `paploop_database_up` is 0 and the rest are
        missing."""
        up = GaugeMetricFamily("paploop_database_up", "1 while the database responds.")
        waiting = GaugeMetricFamily("paploop_inbox_events", "Events received but not yet in the database.")
        waiting.add_metric([], self._inbox.waiting())
        aside = GaugeMetricFamily("paploop_inbox_set_aside", "Events that could not be stored in the database.")
        aside.add_metric([], self._inbox.set_aside())
        try:
            yield from self._projects()
            up.add_metric([], 1)
        except PapLoopError:
            up.add_metric([], 0)
        yield waiting
        yield aside
        yield self._without_prediction()
        yield up

    def _without_prediction(self) -> Metric:
        tasks = CounterMetricFamily(
            "paploop_tasks_without_prediction", "Tasks for which /predict had no prediction.", labels=("project", "why")
        )
        for (project, why), count in self._unanswered.counts().items():
            tasks.add_metric([str(project), why], count)
        return tasks

    def _projects(self) -> list[Metric]:
        store = self._store
        items = GaugeMetricFamily("paploop_items", "Items by state.", labels=("project", "state"))
        open_runs = GaugeMetricFamily("paploop_open_run", "1 while a run is open.", labels=("project",))
        active = GaugeMetricFamily("paploop_active_run", "Run of the active model, 0 = none.", labels=("project",))
        waiting = GaugeMetricFamily("paploop_waiting_events", "Webhooks stored but not yet applied.")
        waiting.add_metric([], store.events.count_open())
        aside = GaugeMetricFamily(
            "paploop_set_aside_events", "Webhooks that failed while others succeeded.", labels=("project",)
        )
        changes = GaugeMetricFamily("paploop_label_changes", "Label changes recorded so far.", labels=("project",))
        for project in store.projects.all():
            name = str(project.id)
            for state, count in store.items.count(project.id).items():
                items.add_metric([name, state], count)
            open_runs.add_metric([name], 1 if store.runs.open_of(project.id) is not None else 0)
            active.add_metric([name], project.active_run_id or 0)
            changes.add_metric([name], store.labels.last_change(project.id))
            aside.add_metric([name], store.events.count_set_aside(project.id))
        return [items, open_runs, active, changes, waiting, aside]
