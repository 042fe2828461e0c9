"""sharedRoles: the people on a list, what each role lets them do, and requests as one of them."""

from __future__ import annotations

from typing import Any

from outfitter.cluster.client import path_of

from .client import MERGE, Api, Object, resource_of
from .space import Space

RBAC = "rbac.authorization.k8s.io"
OWNER, EDITOR, READER = (f"artrepo-scorers-{level}" for level in ("owner", "editor", "reader"))
ANN = {"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}
ROB = {"subject": {"kind": "User", "name": "rob"}, "role": "READ_WRITE"}
SEE = {"get", "list by name", "get the list", "read the other version"}
CHANGE = {"change", "change a version"}
WATCH = {"watch by name"}
MAY = {
    "OWNER": SEE | WATCH | CHANGE | {"delete a draft", "delete a version", "change the list", "share"},
    "READ_WRITE": SEE | WATCH | CHANGE | {"delete a draft"},
    "READ_ONLY": SEE | WATCH,
    "OBSERVER": SEE,
    "NO_ROLE": set[str](),
}
MAY |= {"ADMIN": MAY["OWNER"], "EDITOR": MAY["READ_WRITE"], "DATA_SCIENTIST": MAY["READ_WRITE"]}
MAY |= {"USER": MAY["READ_ONLY"], "CONSUMER": MAY["READ_ONLY"]}


class Person:
    """Somebody as whom the admin acts: real requests, judged by RBAC as his."""

    def __init__(self, api: Api, user: str, *groups: str) -> None:
        self.connection = api.connection.impersonating(user, *groups)
        self.answer = self.connection.answer

    def can(self, method: str, path: str, body: Any = None, type_: str = "application/json") -> bool:
        """Whether it is allowed; anything but yes and no is neither."""
        status, answer = self.answer(method, path, body, type_)
        assert status in (200, 201, 403), answer
        return status != 403

    def may(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        """What the API server says to `kubectl auth can-i`."""
        attributes = {"verb": verb, "group": "outfitter.dev", "resource": resource, "namespace": namespace}
        review = {"spec": {"resourceAttributes": {**attributes, "name": name}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self.answer("POST", path, review)[1]["status"]["allowed"])

    def does(self, space: Space) -> set[str]:
        """Everything of a list of deeds that he may do; nothing is stored."""
        artifacts = path_of(resource_of("Artifact"), space.name)
        repositories = path_of(resource_of("ArtifactRepository"), space.name)
        draft, dry = f"{artifacts}/draft", "?dryRun=All"
        patch: Object = {"spec": {"description": "changed"}}
        listed = {"spec": {"sharedRoles": [{**ROB, "role": "OWNER"}]}}
        new = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Artifact", "metadata": {"name": "new"}, "spec": {}}
        found = {
            "get": self.can("GET", draft),
            "read the other version": self.can("GET", f"{artifacts}/one"),
            "list by name": self.can("GET", f"{artifacts}?fieldSelector=metadata.name%3Ddraft"),
            "watch by name": self.may("watch", "artifacts", space.name, "draft"),
            "list all": self.can("GET", artifacts),
            "get another's": self.can("GET", f"{artifacts}/other"),
            "change another's": self.can("PATCH", f"{artifacts}/other{dry}", patch, MERGE),
            "create": self.can("POST", artifacts + dry, new),
            "change": self.can("PATCH", draft + dry, patch, MERGE),
            "change a version": self.can("PATCH", f"{artifacts}/one{dry}", {"spec": {"run": {"suspend": True}}}, MERGE),
            "delete a draft": self.can("DELETE", draft + dry),
            "delete a version": self.can("DELETE", f"{artifacts}/one{dry}"),
            "delete all": self.can("DELETE", artifacts + dry),
            "write a status": self.can("PATCH", f"{draft}/status{dry}", {"status": {"version": 7}}, MERGE),
            "get the list": self.can("GET", f"{repositories}/scorers"),
            "change the list": self.can("PATCH", f"{repositories}/scorers{dry}", listed, MERGE),
            "change another list": self.can("PATCH", f"{repositories}/other{dry}", listed, MERGE),
            "read Roles": self.can("GET", path_of(resource_of("Role"), space.name)),
            "share": self.may("share", "artifactrepositories", space.name, "scorers"),
        }
        return {deed for deed, allowed in found.items() if allowed}


def names(role: Object, verb: str = "get") -> list[str]:
    """The artifacts that a Role allows `verb` on."""
    rules = [rule for rule in role["rules"] if rule["resources"] == ["artifacts"] and verb in rule["verbs"]]
    return [name for rule in rules for name in rule["resourceNames"]]


def subjects(binding: Object) -> list[str]:
    return [item["name"] for item in binding["subjects"]]
