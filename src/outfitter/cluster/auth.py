"""Address and credentials of the API server, parsed by kubernetes.aio.config, for our client and for kopf."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from outfitter.cluster.transport import rejected_upgrade
from outfitter.errors import ConfigurationError

_TOKEN_SECONDS: Final = 60.0
_RELOAD_SECONDS: Final = 5.0
_DEFAULT_PATH: Final = os.path.expanduser("~/.kube/config")


class Authentication:
    """Address, TLS context and the current Authorization header. `kubeconfig` is None in a pod."""

    def __init__(
        self, configuration: Any, kubeconfig: str | None, context: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._headers = tuple(headers)
        self._loaded = time.monotonic()
        self._configuration = configuration
        self.server: str = configuration.host.rstrip("/")
        self._ssl = _tls_context(configuration) if self.server.startswith("https") else None

    @classmethod
    async def load(
        cls, kubeconfig: str = "", context: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> Authentication:
        """Load `kubeconfig`, else the ServiceAccount of the pod, else KUBECONFIG. ConfigurationError if none exists.

        `context`: one of the kubeconfig, "" for its current one. `headers`: of each request, for impersonation.
        """
        in_pod = not (kubeconfig or context) and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        path = None if in_pod else kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT_PATH
        return cls(await _parse(path, context), path, context, headers)

    def headers(self) -> dict[str, str]:
        """The Authorization header; empty with a client certificate. In a pod it is read again each minute."""
        configuration = self._configuration
        if self._kubeconfig is None and time.monotonic() - self._loaded > _TOKEN_SECONDS:
            configuration.refresh_api_key_hook(configuration)
            self._loaded = time.monotonic()
        scheme, _, token = str((configuration.api_key or {}).get("BearerToken") or "").strip().rpartition(" ")
        return {"Authorization": f"{(scheme or 'Bearer').capitalize()} {token}"} if token else {}

    async def reload(self) -> None:
        """Read the credentials again after a 401, because tokens rotate and those of exec plugins expire soon."""
        if time.monotonic() - self._loaded < _RELOAD_SECONDS:
            return
        self._loaded = time.monotonic()
        self._configuration = configuration = await _parse(self._kubeconfig, self._context)
        if self._ssl is not None and configuration.cert_file:
            self._ssl.load_cert_chain(configuration.cert_file, configuration.key_file)

    def session(self, *, limit: int = 0, trace: aiohttp.TraceConfig | None = None) -> aiohttp.ClientSession:
        """A session whose requests have the current Authorization header."""

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(self.headers())
            response = await handler(request)
            if response.status != 101 and hdrs.UPGRADE in request.headers:
                raise await rejected_upgrade(response)  # aiohttp's own exception lacks the message of the server
            return response

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._ssl or True, keepalive_timeout=75),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=[("User-Agent", "outfitter"), *self._headers],
            middlewares=(authorize,),
            trace_configs=[trace] if trace else None,
            proxy=getattr(self._configuration, "proxy", None) or None,
        )


async def _parse(kubeconfig: str | None, context: str) -> Any:
    configuration = type.__call__(Configuration)  # a plain instance, not a copy of the process-wide default
    kube_config: Any = config  # it carries no types
    try:
        if kubeconfig is None:
            kube_config.load_incluster_config(client_configuration=configuration)
        else:
            await kube_config.load_kube_config(
                config_file=kubeconfig, context=context or None, client_configuration=configuration
            )
    except (config.ConfigException, OSError) as error:
        where = "the pod's ServiceAccount" if kubeconfig is None else f"kubeconfig {kubeconfig}"
        raise ConfigurationError(f"no credentials for a cluster in {where}: {error}") from None
    return configuration


def _tls_context(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
