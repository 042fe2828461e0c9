"""Whose rights a command uses: a context of the kubeconfig, and perhaps another user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Login:
    """A context of the kubeconfig, and the user to impersonate. Empty: the current context, and its own user."""

    context: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of each request."""
        user = (("Impersonate-User", self.user),) if self.user else ()
        uid = (("Impersonate-Uid", self.uid),) if self.uid else ()
        return (*user, *uid, *(("Impersonate-Group", group) for group in self.groups))

    def flags(self, kubeconfig: str = "") -> list[str]:
        """Return the words that repeat the login in another command, of kubectl or Outfitter."""
        given = (("--kubeconfig", kubeconfig), ("--context", self.context), ("--as", self.user), ("--as-uid", self.uid))
        words = [word for flag, value in given if value for word in (flag, value)]
        return words + [word for group in self.groups for word in ("--as-group", group)]


_CURRENT: ContextVar[Login | None] = ContextVar("login", default=None)


def current_login() -> Login:
    """Return the login that the command line asks for."""
    return _CURRENT.get() or Login()


@contextmanager
def using(login: Login) -> Iterator[None]:
    """Use a login within a block."""
    token = _CURRENT.set(login)
    try:
        yield
    finally:
        _CURRENT.reset(token)
