"""Patterns and limits of texts, with the words that explain them. Without models: commands import it at each start."""

import re

from outfitter.api.quantities import QUANTITY_PATTERN

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_QUALIFIED = rf"({NAME_PATTERN.strip('^$')}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
QUALIFIED_PATTERN = f"^{_QUALIFIED}$"
ABSOLUTE_PATH_PATTERN = r"^/[^:\x00]*$"
DATA_KEY_PATTERN = r"^([-_A-Za-z0-9]|[.][-_A-Za-z0-9])[-._A-Za-z0-9]*$"
TEXT_PATTERN = r"^[^\x00]*$"
HEADER_NAME_PATTERN = r"^[-A-Za-z0-9]+$"
HEADER_VALUE_PATTERN = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
_QUOTED = r"""\\[^\x00]|'[^'\x00]*'|"([^"\\\x00]|\\[^\x00])*["]"""
SHELL_PATTERN = rf"""^([^'"\\\x00]|{_QUOTED})*$"""
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
FILE_MODE_PATTERN = r"^0[0-7]{3}$"
GIT_REVISION_PATTERN = r"^[^-+\x00-\x20\x7f~^:?*\[\\][^\x00-\x20\x7f~^:?*\[\\]*$"
LINK_PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/\x00-\x20\x7f][^\x00-\x20\x7f]*$"
ROOT_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
VOLUME_SIZE_PATTERN = r"^([0-9]*[1-9][0-9]*([.][0-9]+)?|0+[.][0-9]*[1-9][0-9]*)(Gi|Mi|Ti)$"
_HOST = r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*"
_REPOSITORY = r"[a-z0-9]+(([.]|__?|-+)[a-z0-9]+)*"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SERVER = rf"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(:{_PORT})?"
_LOGIN_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]*@"
REPOSITORY_PATTERN = (
    f"^(https?://{_SERVER}(/[!-~]*)?|ssh://{_LOGIN_NAME}{_SERVER}/[!-~]+|"
    f"{_LOGIN_NAME}[A-Za-z0-9][A-Za-z0-9.-]*:[!-,.-~][!-~]*)$"
)
STORE_PATTERN = f"^https?://{_SERVER}(/[!-~]*)?$"
HTTP_PATTERN = "^[Hh][Tt][Tt][Pp][Ss]?://"
SSH_PATTERN = "^([Ss][Ss][Hh]://|[^/:@]+@[^/:@]+:)"
CLEAR_TEXT_PATTERN = "^[Hh][Tt][Tt][Pp]://"
LOGIN_IN_URL_PATTERN = "^([A-Za-z]+://[^/?#]*:[^/?#]*@|[Hh][Tt][Tt][Pp][Ss]?://[^/?#]*@|[^/:@]*:[^/]*@)"
# As the container runtimes read it: https://github.com/distribution/reference.
IMAGE_PATTERN = (
    rf"^(({_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?{_REPOSITORY}(/{_REPOSITORY})*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?$"
)
REPOSITORY_WITH_HOST = rf"({_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?(/{_REPOSITORY})+"
"""A repository for an image, without tag."""
BUCKET_PATTERN = "^[a-z0-9][a-z0-9.-]*[a-z0-9]$"
IMAGE_TAG_PATTERN = r"^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$"
IMAGE_REPOSITORY_PATTERN = f"^{_REPOSITORY}(/{_REPOSITORY})*$"
REGISTRY_PATTERN = (
    rf"^(https?://)?([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:{_PORT})?"
    rf"(/{_REPOSITORY}(/{_REPOSITORY})*)?/?$"
)
_ID = (
    "([0-9]{1,9}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}|21474[0-7][0-9]{4}|"
    "214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7])"
)
IDS_PATTERN = f"^({_ID}( *, *{_ID})*)?$"
PATTERN_WORDS = {
    QUANTITY_PATTERN: "Write a quantity such as 10Gi or 10G, without a space, sign or final B.",
    LABEL_PATTERN: "The value must be lower case letters, digits and hyphens, with a letter or digit at both ends.",
    NAME_PATTERN: "The value must be lower case letters, digits, hyphens and dots, with a letter or "
    "digit at both ends.",
    QUALIFIED_PATTERN: "The value must be a label key such as example.com/name, with at most 63 characters "
    "after the slash.",
    ABSOLUTE_PATH_PATTERN: "The value must be an absolute path without a colon.",
    DATA_KEY_PATTERN: "The value must be letters, digits, hyphens, underscores and dots, without two dots first.",
    TEXT_PATTERN: "The value must not contain the character NUL, with which no process can start.",
    HEADER_NAME_PATTERN: "The value must be letters, digits and hyphens.",
    HEADER_VALUE_PATTERN: "The value must not contain line ends and other control characters.",
    SHELL_PATTERN: "The text cannot be split into words. Close every quote, and put a character after each backslash.",
    LABEL_VALUE_PATTERN: "The value must be a label value: letters, digits, hyphens, underscores and dots.",
    ROOT_NAME_PATTERN: "The value must be lower case letters, digits and hyphens, with a letter first and a letter or "
    "digit last.",
    IMAGE_PATTERN: "The value must be an image such as registry.example.com/team/image:tag: without a scheme, with a "
    "repository in lower case, and with a tag or a whole digest after it.",
    IMAGE_TAG_PATTERN: "The value must be a tag: 1 to 128 letters, digits, dots, hyphens and underscores.",
    IMAGE_REPOSITORY_PATTERN: "The value must be the name of a repository such as team/image, in lower case, without "
    "host and tag.",
    REGISTRY_PATTERN: "Write https://HOST/PATH or HOST:PORT/PATH, in lower case, without a query.",
    BUCKET_PATTERN: "Write the name alone: lower case letters, digits, dots and hyphens.",
    LINK_PATTERN: "The value must be a URL that starts with https:// or http://, without spaces.",
    REPOSITORY_PATTERN: "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.",
    STORE_PATTERN: "Write https://HOST or http://HOST:PORT.",
    IDS_PATTERN: "The value must be numbers from 0 to 2147483647, separated by commas.",
    VOLUME_SIZE_PATTERN: "The value must be a positive number with Mi, Gi or Ti, such as 150Gi or 1.5Ti.",
    GIT_REVISION_PATTERN: "The value must be the name of a branch or tag, or a commit: without spaces and ~^:?*[, and "
    "without - or + first.",
    FILE_MODE_PATTERN: 'The value must be an octal mode in quotes with a leading zero, such as "0644".',
}
"""Pattern -> description for error messages."""
MESSAGE_LIMIT = 4096
"""Longest text that the operator writes into a status, in characters."""
URL_LIMIT = 2048


def tag_can_move(image: str) -> bool:
    """Return whether an image has the tag latest or none, and no digest: its registry can change it at any time."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in ("", "latest")


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches as on the API server: `$` is the end, not before a final newline."""
    return (
        re.search(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern, text, re.ASCII) is not None
    )


def over_http(repository: str) -> bool:
    """Return whether a Git repository is read over http or https, and not over ssh."""
    return matches(HTTP_PATTERN, repository)


def over_ssh(repository: str) -> bool:
    """Return whether a Git repository is read over ssh."""
    return matches(SSH_PATTERN, repository)
