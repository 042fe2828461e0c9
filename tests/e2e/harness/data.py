"""A server of git repositories and S3 buckets as a pod, and hand-written pods that fetch from it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from integration.harness.client import Api, Object
from outfitter_sandbox import certificates
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.images.data_images import SERVER_CERTIFICATE, SERVER_KEY
from outfitter_sandbox.pod_exec import execute

from .images import DATA_HOSTS, DATA_SERVER
from .team import Team, running

ACCESS_KEY, SECRET_KEY = "example-access-key", "not-a-real-secret-key"  # of the S3 server
USER, PASSWORD = "robot", "not a real+:/@%password"  # of https
SECONDS = 120
POD_SECURITY: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_PORTS = {"git": {22: 2222, 80: 8080, 443: 8443}, "s3": {80: 9080, 443: 9443, 445: 9445}}
_KEYS = f"--auth-key {ACCESS_KEY},{SECRET_KEY} --vfs-cache-mode off"
_IDENTITY = "-c user.name=test -c user.email=test@example.com -c protocol.file.allow=always"
# Random files have no differences to look for.
_QUICK = "git config core.compression 0; git config core.bigFileThreshold 1m; git config gc.auto 0"


@dataclass(frozen=True)
class Identity:
    """A host key and a certificate for the servers of data, as files of a folder."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Identity:
        """New ones, of an authority that no image knows."""
        folder.mkdir()
        certificates.create_authority(folder, "authority")
        certificates.issue(folder, "tls", authority="authority", common_name="data-server", dns=DATA_HOSTS)
        private, public = ssh_key()
        (folder / "host_key").write_bytes(private)
        (folder / "host_key.pub").write_text(public)
        return cls(folder)

    @property
    def settings(self) -> dict[str, str]:
        """The values of the chart by which an operator knows it."""
        public = (self.folder / "host_key.pub").read_text()
        lines = [f"{host} {public}\n" for host in DATA_HOSTS]
        authority = (self.folder / "authority.crt").read_text()
        return {"settings_gitKnownHosts": "".join(lines), "settings_dataAuthorities": authority}


class DataServer(Team):
    """One pod with repositories and buckets in an emptyDir; commands in it make and change them."""

    @property
    def git(self) -> str:
        """Host of the repositories."""
        return f"git.{self.name}.svc"

    @property
    def s3(self) -> str:
        """Host of the buckets."""
        return f"s3.{self.name}.svc"

    def sh(self, script: str, *, seconds: float = SECONDS) -> str:
        """The output of a script in the container of the git server, which must succeed."""
        done = execute(
            self.connection, self.name, "data", ["sh", "-euc", f"cd /srv; {script}"], container="git", seconds=seconds
        )
        assert done.code == 0, f"{script}\nended with {done.code}: {done.out}{done.err}"
        return done.out.strip()

    def write(self, path: str, content: bytes | str) -> None:
        """A file below /srv."""
        text = content if isinstance(content, bytes) else content.encode()
        self.sh(f"mkdir -p $(dirname {path}); echo {base64.b64encode(text).decode()} | base64 -d > {path}")

    def users(self, **passwords: str) -> None:
        """The only users of https, with their passwords."""
        self.write("conf/users", "".join(f"{name}:{password}\n" for name, password in passwords.items()))

    def authorized_keys(self, *keys: str) -> None:
        """The only public keys of ssh."""
        self.write("conf/authorized_keys", "".join(f"{key}\n" for key in keys))

    def host_key(self) -> str:
        """A new host key of the ssh server; the line of a known_hosts file."""
        private, public = ssh_key()
        self.write("conf/host_key", private)
        return f"{self.git} {public}\n"

    @contextmanager
    def showing(self, identity: Identity) -> Iterator[None]:
        """Another host key and certificate, and the buckets with this certificate at port 445."""
        self.sh("cp -r conf usual")
        for name in ("host_key", "tls.crt", "tls.key"):
            self.write(f"conf/{name}", (identity.folder / name).read_bytes())
        buckets = f"rclone serve s3 s3 --addr :9445 --cert conf/tls.crt --key conf/tls.key {_KEYS}"
        self.sh(f"{buckets} >/dev/null 2>&1 & echo $! > other")
        try:
            yield
        finally:
            self.sh("cp usual/* conf; rm -r usual; kill $(cat other)")

    def bucket(self, name: str, script: str, *, seconds: float = SECONDS) -> None:
        """A bucket with the files that the script makes; the server looks at its folders again."""
        self.sh(f"mkdir -p s3/{name}; cd s3/{name}; {script}; killall -HUP rclone", seconds=seconds)

    def repository(self, name: str, script: str, *, public: bool = False, seconds: float = SECONDS) -> str:
        """A repository with the branch main; `script` makes its files in a checkout.

        Returns the commit.
        """
        self.sh(
            f"rm -rf git/{name}.git work/{name}; mkdir -p git work; git init -q --bare -b main git/{name}.git; "
            f"git init -q -b main work/{name}; git -C work/{name} remote add origin /srv/git/{name}.git; "
            f"for each in git/{name}.git work/{name}; do cd /srv/$each; {_QUICK}; done"
        )
        if public:
            self.sh(f"touch git/{name}.git/git-daemon-export-ok")
        return self.commit(name, script, seconds=seconds)

    def commit(self, name: str, script: str, *, seconds: float = SECONDS) -> str:
        """A further commit of what the script did in the checkout, pushed; its hash."""
        text = (
            f'git() {{ command git {_IDENTITY} "$@"; }}; cd work/{name}; {script}\ngit add -A; git commit -qm change; '
        )
        return self.sh(f"{text}git push -q origin HEAD; git rev-parse HEAD", seconds=seconds)


@dataclass(frozen=True)
class Sources:
    """A server with the repository `app`, the bucket `weights`, and logins for both."""

    server: DataServer
    private_key: str
    known_hosts: str
    first: str  # the commit of tag v1
    commit: str  # the newest commit of branch main

    @property
    def https(self) -> str:
        """The repository by https."""
        return f"https://{self.server.git}/app.git"

    @property
    def ssh(self) -> str:
        """The repository by ssh."""
        return f"git@{self.server.git}:app.git"

    @property
    def s3(self) -> str:
        """The object store by https."""
        return f"https://{self.server.s3}"

    def login(self, team: Team, name: str = "login", password: str = PASSWORD) -> dict[str, str]:
        """A Credential for https; a reference to it."""
        team.secret(name, User=USER, Password=password)
        team.make("Credential", name, {"type": "password", "secretRef": {"name": name}})
        return {"name": name}

    def key(self, team: Team, name: str = "key", **values: str) -> dict[str, str]:
        """A Credential for ssh, with other values where they are given; a reference to it."""
        given = {"ssh": self.private_key, "known_hosts": self.known_hosts, **values}
        team.secret(name, **{key: value for key, value in given.items() if value})
        team.make("Credential", name, {"type": "genericSecret", "secretRef": {"name": name}})
        return {"name": name}

    def keys(self, team: Team, name: str = "keys", secret: str = SECRET_KEY) -> dict[str, str]:
        """A Credential for the bucket; a reference to it."""
        team.secret(name, AccessKeyId=ACCESS_KEY, SecretKey=secret)
        team.make("Credential", name, {"type": "accessKey", "secretRef": {"name": name}})
        return {"name": name}


@contextmanager
def sources(api: Api, connection: Connection, name: str, labels: Object) -> Iterator[Sources]:
    """The server with its first repository and bucket."""
    with data_server(api, connection, name, labels) as server:
        server.users(**{USER: PASSWORD})
        private, public = ssh_key()
        server.authorized_keys(public)
        known_hosts = server.host_key()
        first = server.repository("app", "mkdir src; echo one > src/a.py; echo '#!/bin/sh' > run; chmod +x run")
        server.sh("cd work/app; git tag v1; git push -q origin v1")
        commit = server.commit("app", "echo two > src/a.py")
        server.bucket("weights", "mkdir deep; echo 0123456789 > model; echo x > deep/er")
        yield Sources(server, private.decode(), known_hosts, first, commit)


@contextmanager
def data_server(api: Api, connection: Connection, name: str, labels: Object) -> Iterator[DataServer]:
    """The server in a namespace of its own, from its readiness to the end of the block."""
    api.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    api.wait("ServiceAccount", name, "default", bool, SECONDS)
    server = DataServer(api, name, connection)
    try:
        for service, ports in _PORTS.items():
            listed = [{"name": f"p{port}", "port": port, "targetPort": to} for port, to in ports.items()]
            server.native("Service", service, spec={"selector": {"app": "data"}, "ports": listed})
        pod = {"name": "data", "namespace": name, "labels": {"app": "data"}}
        api.create({"kind": "Pod", "metadata": pod, "spec": _server()})
        server.wait("Pod", "data", running)
        yield server
    finally:
        api.delete("Namespace", "", name)
        api.gone("Namespace", "", name, SECONDS)


def ssh_key() -> tuple[bytes, str]:
    """A private key in the format of OpenSSH, and its public key as a line."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()


def _server() -> Object:
    serve = f"mkdir -p conf git s3; cp {SERVER_CERTIFICATE} {SERVER_KEY} conf; exec git-server"
    secure = f"--cert {SERVER_CERTIFICATE} --key {SERVER_KEY}"
    containers = {
        "git": serve,
        "s3": f"mkdir -p s3; exec rclone serve s3 s3 --addr :9080 {_KEYS}",
        "s3-tls": f"mkdir -p s3; exec rclone serve s3 s3 --addr :9443 {_KEYS} {secure}",
    }
    return {
        "containers": [
            {
                "name": name, "image": DATA_SERVER, "imagePullPolicy": "IfNotPresent", "workingDir": "/srv",
                "command": ["sh", "-euc", script], "securityContext": CONTAINER_SECURITY,
                "env": [{"name": "HOME", "value": "/tmp"}],
                "volumeMounts": [{"name": "srv", "mountPath": "/srv"}, {"name": "tmp", "mountPath": "/tmp"}],
            }
            for name, script in containers.items()
        ],
        "volumes": [{"name": "srv", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        "shareProcessNamespace": True,  # so that a command can signal the server of buckets
        "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "securityContext": POD_SECURITY,
    }  # fmt: skip
