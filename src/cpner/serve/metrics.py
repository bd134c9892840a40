"""What the server counts and measures, for Prometheus. No label holds a text or a name that a user chose."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SENTENCES = (1, 2, 4, 8, 16, 32, 64, 128)
_PIECES = (16, 64, 256, 1024, 4096, 16384)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("cpner_requests", "Answers.", ["route", "code"], registry=registry)
        self.duration = Histogram(
            "cpner_request_duration_seconds", "From a request's arrival to its answer's end.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge("cpner_requests_in_flight", "Requests in work.", registry=registry)
        self.queue_wait = Histogram(
            "cpner_queue_wait_seconds", "Time of a sentence in the queue.", buckets=_SECONDS, registry=registry
        )
        self.inference = Histogram(
            "cpner_inference_duration_seconds", "Time of a batch in the model.", buckets=_SECONDS, registry=registry
        )
        self.batch_sentences = Histogram(
            "cpner_batch_sentences", "Sentences of a batch.", buckets=_SENTENCES, registry=registry
        )
        self.batch_pieces = Histogram("cpner_batch_pieces", "Pieces of a batch.", buckets=_PIECES, registry=registry)
        self.queue_depth = Gauge("cpner_queue_depth", "Sentences in the queue.", registry=registry)
        self.rejected = Counter("cpner_rejected", "Requests that were refused.", ["reason"], registry=registry)
        self.dropped = Counter(
            "cpner_dropped_sentences", "Sentences that nobody waited for any more.", registry=registry
        )
        self.domains = Gauge("cpner_domains_stored", "Domains in the store.", registry=registry)
        self.changes = Counter("cpner_domain_changes", "Changes of domains.", ["change"], registry=registry)
        self.jobs = Gauge("cpner_jobs", "Trainings by state.", ["state"], registry=registry)

    def render(self) -> bytes:
        """All numbers in Prometheus's text format."""
        return generate_latest(self.registry)
