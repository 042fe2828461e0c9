"""Fields that are valid one by one, but have no effect, or no possible effect, in the merged workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outfitter.api.v1alpha1.inference import InferenceSpec
from outfitter.policy.capabilities import SIGN_IN
from outfitter.policy.checks import Candidate
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.resolve.home import home_variable, usable_home
from outfitter.resolve.ports import serving_connections


def one_serving_port(candidate: Candidate) -> Iterator[Problem]:
    """Yield connections that ask for another port or protocol than the one that answers requests."""
    spec = candidate.resolved.spec
    if not isinstance(spec, InferenceSpec):
        return
    connections = serving_connections(spec)
    port = next((group.containers[0].port for group in candidate.resolved.groups), None)
    serving = spec.serving_port
    protocol = serving.protocol if serving is not None else None
    for item in connections[:1]:
        field = f"spec.connections[{item.name}]"
        if port is not None and item.container_port != port:
            owner = "the Artifact" if candidate.resolved.artifact is not None else "servingPort"
            text = (
                f"The connection has port {item.container_port}, and {owner} has port {port}. A workload has one port "
                "for requests: set both to the same port, or remove one of them."
            )
            yield stalled(Reason.CONFLICT, text, f"{field}.containerPort")
        if protocol is not None and item.protocol is not None and item.protocol != protocol:
            text = (
                f"The connection has protocol {item.protocol}, and servingPort has protocol {protocol}. Set both to "
                "the same protocol, or remove one of them."
            )
            yield stalled(Reason.CONFLICT, text, f"{field}.protocol")


def login_without_ingress(candidate: Candidate) -> Iterator[Problem]:
    """Yield a login that nothing asks for: only an Ingress does."""
    serving = getattr(candidate.resolved.spec, "serving_port", None)
    signed_in = serving is not None and serving.authorization_type == "authenticatedUsers"
    if serving is None or not signed_in or not SIGN_IN.available(candidate.settings):
        return  # the table of capabilities refuses it where no administrator configured a login
    field = "spec.run.servingPort" if candidate.request.own_definition else "spec.servingPort"
    if serving.cluster_local_access_only:
        text = "Nothing checks logins inside the cluster. Remove the field, or set clusterLocalAccessOnly to false."
        yield stalled(Reason.INVALID_SPEC, text, f"{field}.authorizationType")
    elif not candidate.settings.domain:
        text = "Without a domain there is no Ingress that checks logins. Ask an administrator to set the domain."
        yield stalled(Reason.DOMAIN_MISSING, text, f"{field}.authorizationType")


def no_port_at_all(candidate: Candidate) -> Iterator[Problem]:
    """Yield the problem of a workload that answers requests and has no port to send them to."""
    resolved = candidate.resolved
    if not candidate.request.traits.serves or resolved.artifact is not None:
        return
    spec: Any = resolved.spec
    connected = any(item.container_port is not None for item in spec.connections)
    if spec.serving_port is None and not (connected or spec.ports or spec.exposed_urls):
        text = "The Inference has no port, so no request can reach it. Set servingPort.container."
        yield stalled(Reason.INVALID_SPEC, text, "spec.servingPort")


def home_directory(candidate: Candidate) -> Iterator[Problem]:
    """Yield a home directory that cannot be created, because its path is not known."""
    for group in candidate.resolved.groups:
        for use in group.containers:
            home = home_variable(use.spec)
            if use.spec.create_home_dir and home is not None and not usable_home(home):
                text = (
                    "Variable HOME has no plain absolute path as its value, so no home directory can be created "
                    "there. Set HOME to a path such as /home/user, or set createHomeDir to false."
                )
                yield stalled(Reason.INVALID_SPEC, text, f"{use.field}.createHomeDir")


def root_user(candidate: Candidate) -> Iterator[Problem]:
    """Yield a user id of root that the default of runAsNonRoot rejects. A rule of the models judges a given value."""
    security = candidate.resolved.spec.security
    if security.custom_ids and security.run_as_uid == 0 and security.run_as_non_root is None:
        text = "User id 0 is root, and runAsNonRoot is true by default. Set another id, or set runAsNonRoot to false."
        yield stalled(Reason.INVALID_SPEC, text, "spec.security.runAsUid")
