"""Traces of reconciliations by OpenTelemetry: a span each, with a child span per request to the API server.

Spans hold names, verbs and outcomes, no field of an object and no message. `app` imports this module only with the
setting `tracing`, because the library costs memory.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from outfitter import __version__
from outfitter.operator.workers import Reconciler
from outfitter.snapshot import Dep, Key

_FLUSH_SECONDS: Final = 5
_log = logging.getLogger(__name__)


class Tracing:
    """The exporter of one process. The standard variables `OTEL_*` set its address, headers, sampling and limits."""

    def __init__(self, identity: str) -> None:
        resource = Resource.create({"service.version": __version__, "service.instance.id": identity})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "outfitter"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter: SpanExporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("outfitter", __version__)

    def reconciler(self, reconciler: Reconciler) -> Reconciler:
        """Return the reconciler with a span around each reconciliation."""
        return _TracedReconciler(reconciler, self._tracer)

    def requests(self) -> aiohttp.TraceConfig:
        """Return the hooks of an HTTP session that make a span of each request within a reconciliation."""
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._request_started)
        config.on_request_end.append(_request_ended)
        config.on_request_exception.append(_request_failed)
        return config

    async def close(self) -> None:
        """Send the last spans. A collector that does not answer delays the end by one request, of ten seconds."""
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await asyncio.to_thread(self._provider.shutdown)
        except TimeoutError:
            self._exporter.shutdown()  # the other batches are dropped
            _log.warning("the last traces were not sent within %d s", _FLUSH_SECONDS)

    async def _request_started(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams
    ) -> None:
        context.span = None
        if trace.get_current_span().is_recording():
            resource = resource_of(params.url.raw_path)
            attributes = {"http.request.method": params.method, "k8s.resource": resource}
            context.span = self._tracer.start_span(
                f"{params.method} {resource}", kind=SpanKind.CLIENT, attributes=attributes
            )


class _TracedReconciler:
    def __init__(self, reconciler: Reconciler, tracer: trace.Tracer) -> None:
        self._reconciler = reconciler
        self._tracer = tracer

    async def reconcile(self, key: Key) -> Any:
        """Reconcile one custom resource within a span."""
        attributes = {"k8s.resource.kind": key.kind, "k8s.namespace.name": key.namespace, "k8s.object.name": key.name}
        with self._tracer.start_as_current_span(
            f"reconcile {key.kind}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                done = await self._reconciler.reconcile(key)
            except Exception as error:
                span.set_attribute("outfitter.outcome", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("outfitter.outcome", done.outcome)
            return done

    def dependencies(self, key: Key) -> frozenset[Dep]:
        """See Reconciler.dependencies."""
        return self._reconciler.dependencies(key)

    def forget(self, key: Key) -> None:
        """See Reconciler.forget."""
        self._reconciler.forget(key)


def resource_of(path: str) -> str:
    """Return resource and subresource of a path of the Kubernetes API, without namespace and name."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join((*parts[:1], *parts[2:]))


async def _request_ended(
    _session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    if context.span is not None:
        context.span.set_attribute("http.response.status_code", params.response.status)
        if params.response.status >= 400:
            context.span.set_status(StatusCode.ERROR)
        context.span.end()


async def _request_failed(
    _session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
) -> None:
    if context.span is not None:
        context.span.set_attribute("error.type", type(params.exception).__name__)
        context.span.set_status(StatusCode.ERROR)
        context.span.end()
