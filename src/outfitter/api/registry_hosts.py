"""The image registries that an administrator allows: the value of the setting `registryHosts`."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Network = Literal["public", "private", "loopback"]
Dialect = Literal["oci", "harbor", "hub"]
DOCKER_HUB: Final = "docker.io"
_HUB_NAMES: Final = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com")
_HOST: Final = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def _certificates(text: str) -> str:
    """Reject a CA bundle that TLS cannot load."""
    try:
        if text:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise PydanticCustomError("bundle", "the value holds no certificates in PEM") from None
    return text


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and 0 < int((match[3] or ":443")[1:]) < 65536


def _host(text: str) -> str:
    if not _is_host(text):
        raise PydanticCustomError("host", "the value is no host in lower case, with or without a port")
    return text


class RegistryHost(BaseModel):
    """How the operator connects to one host."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=True)

    auth_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(default=(), strict=False, max_length=8)
    addresses: Network = "public"
    plain_http: bool = False
    ca_bundle: Annotated[str, AfterValidator(_certificates)] = ""
    dialect: Dialect | None = None


@lru_cache(maxsize=4)
def registry_hosts(text: str) -> Mapping[str, RegistryHost]:
    """Return the allowed hosts. PydanticCustomError names the host and the field that is wrong."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PydanticCustomError("registries", "The registry hosts are no JSON object from hosts to their options")
    hosts = {}
    for name, options in found.items():
        if not _is_host(name):
            form = "Write a host in lower case, with or without a port, like registry.example.com:5000"
            raise PydanticCustomError("registries", f"The registry hosts have a key that is no host. {form}")
        try:
            hosts[host_key(name)] = RegistryHost.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            wrong = f"{field}: {first['msg']}" if field else first["msg"]
            raise PydanticCustomError("registries", f"The options of registry host {name} are wrong: {wrong}") from None
    return hosts


def host_key(host: str) -> str:
    """Return the name under which a host is allowed: Docker Hub has several."""
    plain = host.removesuffix(":443")
    return DOCKER_HUB if plain in _HUB_NAMES else plain
