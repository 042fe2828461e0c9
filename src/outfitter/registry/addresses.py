"""Which addresses the client connects to: never those of the machine or of its network, unless the settings say so."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from outfitter.api.registry_hosts import Network
from outfitter.registry.errors import not_allowed

_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
_NAT64: Final = ip_network("64:ff9b::/96")
# Services of cloud machines, which hand out logins, at addresses that do not look special.
_METADATA: Final = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))

_THREADS: Final = 8

Address = IPv4Address | IPv6Address


def permitted(text: str, network: Network) -> bool:
    """Return whether the client may connect to an address. Link-local, multicast and unspecified ones: never."""
    try:
        address = _innermost(ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if address in _METADATA:
        return False
    if address.is_loopback:
        return network == "loopback"
    if any(address.version == private.version and address in private for private in _PRIVATE):
        return network != "public"
    return address.is_global and not address.is_multicast


def _innermost(address: Address) -> Address:
    """Return the IPv4 address in an IPv6 address, where it holds one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


def literal(host: str) -> str:
    """Return the address that a host is; "" for a name. A literal address never reaches the resolver."""
    bare = host.strip("[]")
    try:
        return str(ip_address(bare.partition("%")[0]))
    except ValueError:
        return ""


class ThreadResolver(AbstractResolver):
    """Resolves names in threads of its own: a name server that does not answer holds up nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="registry-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. OSError for a name without any."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(place[0]), port=port, family=kind, proto=proto, flags=flags)
            for kind, _, proto, _, place in found
        ]

    async def close(self) -> None:
        """Start no more look-ups. One that runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses every address that is not permitted.

    aiohttp connects to exactly the addresses that it returns, so a name that resolves differently later gains nothing.
    The inner resolver serves many looks. Its creator closes it.
    """

    def __init__(self, network: Network, inner: AbstractResolver) -> None:
        self._network = network
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. RegistryError if any of them is not permitted."""
        found = await self._inner.resolve(host, port, family)
        if not all(permitted(item["host"], self._network) for item in found):
            raise not_allowed(address_text(host, self._network))
        return found

    async def close(self) -> None:
        """Close nothing."""


def address_text(host: str, network: Network) -> str:
    """Return the message about a host with an address that is not permitted."""
    wider = "" if network == "loopback" else " An administrator can set addresses of the host in registryHosts."
    return f"Host {host} has an address that Outfitter does not connect to.{wider}"
