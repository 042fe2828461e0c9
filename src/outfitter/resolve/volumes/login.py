"""The login of a data source that a container fetches: which keys of which Secret it gets, as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from outfitter.api.refs import CredentialRef
from outfitter.naming import credential_secret
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, Use
from outfitter.resolve.references import credential_key, has_key, secret_problem
from outfitter.resolve.scope import find
from outfitter.resolve.volumes.base import Lookup, VolumeUse
from outfitter.snapshot import Reader, Resource

Method = Literal["password", "ssh-key", "access-key"]
KNOWN_HOSTS: Final = "known_hosts"
_FILES: Final[dict[Method, tuple[tuple[str, str], ...]]] = {
    "password": (("user", "User"), ("password", "Password")),
    "ssh-key": (("ssh", "ssh"),),
    "access-key": (("id", "AccessKeyId"), ("key", "SecretKey")),
}
"""Method -> files, each with the key of a Credential that it holds."""
_TYPES: Final[dict[Method, tuple[str, str]]] = {
    "password": ("password", "A repository over https"),
    "ssh-key": ("genericSecret", "A repository over ssh"),
    "access-key": ("accessKey", "An object store"),
}
"""Method -> the type of its Credentials, and what needs them."""


@dataclass(frozen=True)
class Login:
    """A login from a Credential, or from a Secret of the namespace. `files`: name of each file -> key of the Secret."""

    method: Method
    secret: str
    files: tuple[tuple[str, str], ...]
    credential: CredentialRef | None = None

    @staticmethod
    def of_credential(method: Method, credential: CredentialRef) -> Login:
        """Return the login with a Credential."""
        return Login(method, credential_secret(credential.name), _FILES[method], credential)

    @staticmethod
    def of_secret(method: Method, secret: str, *keys: str | None) -> Login:
        """Return the login with a Secret. `keys`: those of its files in their order, None for the usual one."""
        files = tuple((file, key or usual) for (file, usual), key in zip(_FILES[method], keys, strict=True))
        return Login(method, secret, files)

    @property
    def has_known_hosts(self) -> bool:
        """Whether the Secret can hold host keys."""
        return self.method == "ssh-key"

    def with_use(self, use: Use) -> Login:
        """Return the login with the Secret that the workload gets of a private Credential."""
        return replace(self, secret=use.secret) if use.secret else self

    def look_up(self, reader: Reader, namespace: str, volume: VolumeUse, user: Requester | None) -> Lookup:
        """Look up the Credential or Secret, its type and its keys."""
        field, hidden = volume.field, volume.hidden(namespace)
        if self.credential is None:
            problems = (secret_problem(reader, namespace, self.secret, key, field, user) for _, key in self.files)
            problem = next(filter(None, problems), None)
            return problem or self._host_keys(
                reader, namespace, self.secret, f"Secret {namespace}/{self.secret}", field
            )
        path = f"{field}.credential"
        use = credential_key(reader, namespace, self.credential, "", path, user, hidden)
        if isinstance(use, Problem):
            return use
        problem = self._other_type(use.asset, path)
        for _, key in self.files if problem is None else ():
            found = credential_key(reader, namespace, self.credential, key, path, user, hidden)
            if isinstance(found, Problem):
                return found
        return problem or self._host_keys(reader, *self._place(namespace, use), f"{use.asset.key}", path) or use

    def source_problem(self, reader: Reader, namespace: str, field: str, volume: VolumeUse) -> Problem | None:
        """Return a problem while a namespace has no access to the Credential, or for one of another type."""
        if self.credential is None:
            return None
        found = find(reader, "Credential", namespace, self.credential, field, volume.hidden(namespace))
        if isinstance(found, Problem):
            return waiting(Reason.NOT_CREATED, found.message, found.field, namespace)
        return self._other_type(found, field)

    def _other_type(self, credential: Resource, field: str) -> Problem | None:
        spec: Any = credential.model.spec
        wanted, what = _TYPES[self.method]
        if spec.type == wanted:
            return None
        text = (
            f"{what} needs a Credential of type {wanted}, and {credential.key} has type {spec.type}. Name another one."
        )
        return stalled(Reason.REFERENCE_INVALID, text, field)

    @staticmethod
    def _place(namespace: str, use: Use) -> tuple[str, str]:
        """Return where the content of a Credential is: a private one has its copy only once the workload runs."""
        spec: Any = use.asset.model.spec
        if use.secret:
            return use.asset.live.namespace, spec.secret_ref.name
        return namespace, credential_secret(use.asset.live.name)

    def _host_keys(self, reader: Reader, namespace: str, secret: str, holder: str, field: str) -> Problem | None:
        if not self.has_known_hosts or reader.settings.git_known_hosts:
            return None
        if has_key(reader, namespace, secret, KNOWN_HOSTS):
            return None
        text = (
            f"{holder} has no key {KNOWN_HOSTS}, and the operator has no host keys. Add the key with the line of the "
            "host from `ssh-keyscan`, also to spec.keys if that is set, or ask an administrator to set gitKnownHosts."
        )
        return waiting(Reason.KEY_NOT_FOUND, text, field)
