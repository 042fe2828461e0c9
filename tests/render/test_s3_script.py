"""The script that copies a bucket: its requests to rclone, and the code of each failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from fetching_pod import SHELLS, Pod

RCLONE = """
echo "$@" >>"$HOME/../arguments"
env | grep ^RCLONE_ >"$HOME/../environment"
case $1 in
size) echo '{"count":3,"bytes":2048,"sizeless":0}' ;;
sync) echo data >"$3/object" ;;
esac
"""


@pytest.fixture(params=SHELLS)
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> Pod:
    found = Pod(tmp_path, request.param)
    found.program("rclone", RCLONE)
    return found


def environment(pod: Pod) -> dict[str, str]:
    lines = (pod.root / "environment").read_text().splitlines()
    return {name.removeprefix("RCLONE_CONFIG_SOURCE_"): value for name, value in (line.split("=", 1) for line in lines)}


def test_a_bucket_is_copied(pod: Pod) -> None:
    answer = pod.s3()
    assert (answer.returncode, pod.message) == (0, "objects 3 bytes 2048\n"), answer.stderr
    assert (pod.data / "object").read_text() == "data\n"
    assert (pod.root / "arguments").read_text() == f"size --json source:data\nsync source:data {pod.data}\n"
    assert environment(pod)["PROVIDER"] == "AWS"
    assert "ACCESS_KEY_ID" not in environment(pod)


@pytest.mark.parametrize(
    ("url", "provider", "region"),
    [
        ("https://s3.eu-central-1.amazonaws.com", "AWS", "eu-central-1"),
        ("https://s3.amazonaws.com/", "AWS", None),
        ("http://minio.storage:9000", "Other", None),
    ],
)
def test_the_url_decides_the_provider(pod: Pod, url: str, provider: str, region: str | None) -> None:
    assert pod.s3(URL=url).returncode == 0
    found = environment(pod)
    assert (found["ENDPOINT"], found["PROVIDER"], found.get("REGION")) == (url, provider, region)


def test_keys_are_in_the_environment_of_rclone_alone(pod: Pod) -> None:
    pod.login(id="AKIA\r\n", key='se$"cret\n')
    answer = pod.s3(LOGIN="access-key")
    assert answer.returncode == 0, answer.stderr
    assert environment(pod)["ACCESS_KEY_ID"] == "AKIA"
    assert environment(pod)["SECRET_ACCESS_KEY"] == 'se$"cret'
    assert "cret" not in (pod.root / "arguments").read_text()
    assert b"cret" not in answer.stdout + answer.stderr


def test_a_bucket_that_is_too_large_is_not_copied(pod: Pod) -> None:
    assert pod.s3(SIZE_LIMIT="2047").returncode == 1
    assert pod.message == "failed no-space the bucket holds 2048 bytes, and sizeLimit is 2047\n"
    assert not (pod.data / "object").exists()


def test_a_node_that_is_full(pod: Pod) -> None:
    """The node says it before anything is copied."""
    pod.program("df", "printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/a 9 8 1 99%% /\\n'")
    pod.program("du", "printf '0\\t.\\n'")
    assert pod.s3().returncode == 1
    assert pod.message == "failed no-space the bucket holds 2 KiB, and 1 KiB are free\n"


def test_the_folder_of_a_file_system_stays(pod: Pod) -> None:
    (pod.data / "lost+found").mkdir()
    assert pod.s3().returncode == 0
    assert "RCLONE_EXCLUDE=/lost+found/**" in (pod.root / "environment").read_text()


@pytest.mark.parametrize("step", ["size", "sync"])
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("api error NoSuchBucket: The specified bucket does not exist", "bucket-missing"),
        ("ERROR : error listing: directory not found", "bucket-missing"),
        ("https response error StatusCode: 403, api error InvalidAccessKeyId: no such key", "authentication"),
        ("https response error StatusCode: 403, api error SignatureDoesNotMatch: wrong", "authentication"),
        ("https response error StatusCode: 403, api error AccessDenied: Access Denied", "forbidden"),
        ("dial tcp: lookup minio.storage: no such host", "unreachable"),
        ("dial tcp 10.0.0.1:9000: connect: connection refused", "unreachable"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "certificate"),
        ("dial tcp: lookup x509.minio.storage: no such host", "unreachable"),
        ("write /outfitter/data/a: no space left on device", "no-space"),
        ("dial tcp 10.0.0.1:9000: connect: permission denied", "unreachable"),
        ("something else", "other"),
    ],
)
def test_what_rclone_says_has_a_code(tmp_path: Path, step: str, said: str, code: str) -> None:
    pod = Pod(tmp_path)
    pod.program("rclone", f"if [ $1 = {step} ]; then echo '{said}' >&2; exit 1; fi\n{RCLONE}")
    assert pod.s3().returncode == 1
    assert pod.message == f"failed {code} {said.rpartition('StatusCode: 403, ')[2]}\n"


def test_a_volume_of_another_user(pod: Pod) -> None:
    said = f"mkdir {pod.data}/deep: permission denied"
    pod.program("rclone", f"if [ $1 = sync ]; then echo '{said}' >&2; exit 1; fi\n{RCLONE}")
    assert pod.s3().returncode == 1
    assert pod.message == f"failed not-writable {said}\n"


def test_a_message_is_the_same_each_time(tmp_path: Path) -> None:
    """The line of rclone has a time and a number of the request; what matters comes last."""
    said = (
        "2026/11/30 04:50:01 NOTICE: Failed to size: operation error S3: ListObjects, exceeded maximum number of "
        "attempts, 3, https response error StatusCode: 403, RequestID: A6E1FE, HostID: QTZFMUZ==, api error X: denied"
    )
    pod = Pod(tmp_path)
    pod.program("rclone", f"echo '{said}' >&2; exit 1")
    assert pod.s3().returncode == 1
    assert pod.message == "failed forbidden api error X: denied\n"


def test_a_store_that_hangs_gets_an_answer(tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    pod.program("rclone", "exec sleep 60")
    assert pod.s3(SECONDS="1").returncode == 1
    assert pod.message == "failed timeout not complete after 1 seconds\n"
