"""URLs: the only module that builds them, and the rules for the URLs that users write."""

from __future__ import annotations

import re
from typing import Final

from outfitter.api.patterns import LINK_PATTERN
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.settings import Settings

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}([.]{_LABEL})*")
_URL: Final = re.compile(
    rf"https?://(?P<host>{_LABEL}([.]{_LABEL})+)(:[0-9]{{1,5}})?(?P<path>/[-\w./~%+,;=:]*)?", re.ASCII
)
_AMAZON: Final = re.compile(r"https://s3[.](?:([a-z0-9-]+)[.])?amazonaws[.]com/?")
_PATH_REFUSED: Final = re.compile(r"//|/[.][.]?(/|$)|%2[fF]")  # by the API server, in the path of an Ingress
_PLAIN_PATH: Final = re.compile(r"[-A-Za-z0-9/._~]*")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCHEMES: Final = ("https://", "http://")
_LINK: Final = re.compile(LINK_PATTERN.removesuffix("$"))
_AUTHORITY_END: Final = re.compile(r"[/?#\\]")
_PORT: Final = re.compile(r":([0-9]*)$")


def build_url(scheme: str, host: str, port: int | None = None, path: str = "") -> str:
    """Return a URL. An IPv6 address is put in brackets, so that its colons do not look like a port."""
    authority = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{authority}{'' if port is None else f':{port}'}{path}"


def ingress_url(host: str, settings: Settings) -> str:
    """Return the URL of a host that an Ingress of Outfitter serves."""
    return build_url("https" if settings.ingress_tls else "http", host)


def without_scheme(url: str) -> str:
    """Return a URL from its host on."""
    return _SCHEME.sub("", url, count=1)


def amazon_region(url: str) -> str | None:
    """Return the region in a URL of Amazon S3, "" for one without a region; None for another store."""
    match = _AMAZON.fullmatch(url)
    return (match[1] or "") if match else None


def host_of(url: str) -> str:
    """Return the host of a plain web URL; "" for any URL that browsers could read differently."""
    match = _URL.fullmatch(url)
    return match["host"] if match else ""


def path_of(url: str) -> str:
    """Return the path of a plain web URL, at least `/`."""
    match = _URL.fullmatch(url)
    return (match["path"] if match else "") or "/"


def has_plain_path(url: str) -> bool:
    """Return whether the path of a web URL has only characters that all ingress controllers read in one way."""
    return _PLAIN_PATH.fullmatch(path_of(url)) is not None


def uses_tls(url: str) -> bool:
    """Return whether a URL is https."""
    return url.startswith(_SCHEMES[0])


def custom_url_problem(url: str, domain: str, field: str) -> Problem | None:
    """Return why a URL that a user wrote cannot be served below the domain; None if it can."""
    authority = _AUTHORITY_END.split(without_scheme(url), maxsplit=1)[0]
    host, suffix = _PORT.sub("", authority), f".{domain}"
    text = _host_defect(url, authority, host)
    if not text and not host.endswith(suffix):
        example = build_url("https", f"name{suffix}", path="/path")
        text = f"Outfitter serves only hosts below {domain}. Use a URL such as {example}."
        return stalled(Reason.HOST_FORBIDDEN, text, field)
    text = text or _path_defect(url, authority)
    return stalled(Reason.INVALID_SPEC, text, field) if text else None


def _host_defect(url: str, authority: str, host: str) -> str:
    """Return what is wrong with a URL up to its host, and the remedy; "" for nothing."""
    if any(character.isspace() for character in url):
        return "The URL has white space. Remove it."
    if not url.startswith(_SCHEMES):
        return f"The URL does not begin with {_SCHEMES[0]} or {_SCHEMES[1]}. Write the scheme, in lower case."
    if "@" in authority:
        return "The URL has a user name or password. Remove it."
    if host != host.lower():
        return f"The host of the URL has upper-case letters. Write {host.lower()}."
    if not _NAME.fullmatch(host):
        return "The host of the URL is not a DNS name: parts of a-z, 0-9 and -, at most 63 characters each. Correct it."
    return ""


def _path_defect(url: str, authority: str) -> str:
    """Return what is wrong with a URL after its host, and the remedy; "" for nothing."""
    port = _PORT.search(authority)
    if port is not None and not (port[1] and len(port[1]) < 6 and 0 < int(port[1]) < 65536):
        return "The port of the URL is outside 1 to 65535. Correct or remove the port."
    if "?" in url or "#" in url:
        return "The URL has a query or a fragment, which an Ingress cannot route by. Remove the part from ? or # on."
    if not host_of(url):
        return "The path of the URL has characters that are not served. Use letters, digits and -._~%+,;=: in it."
    if _PATH_REFUSED.search(path_of(url)):
        return "The path of the URL has //, /./, /../ or %2F, which an Ingress cannot have. Remove it."
    return ""


def connection_url(given: str | None, host: str, field: str, settings: Settings, *, custom: bool) -> str | Problem:
    """Return the URL of a connection below the operator's domain, or the problem that prevents one.

    `given`: the URL that a user wrote, for `custom`. `host`: the host of a generated URL.
    """
    if not settings.domain:
        text = (
            "The operator has no domain for URLs. Ask an administrator to set the domain, or use another "
            "connectionType."
        )
        return stalled(Reason.DOMAIN_MISSING, text, field.rpartition(".")[0])
    if not custom:
        return ingress_url(host, settings)
    if not given:
        return stalled(Reason.URL_MISSING, "The connection has customUrl: true and no URL. Set the field.", field)
    return custom_url_problem(given, settings.domain, field) or given


def is_link(url: str) -> bool:
    """Return whether a user interface can show a URL as a link: never a script or inline data."""
    return _LINK.fullmatch(url) is not None


def bucket_name(bucket: str, url: str) -> str:
    """Return a bucket with the URL of its store; `url`: "" for Amazon S3."""
    return f"{url}/{bucket}" if url else bucket
