"""The fake NIM downloads, loads and serves as the real images do for Kubernetes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from outfitter_sandbox.processes import wait_until

from .conftest import Start

pytestmark = pytest.mark.slow  # builds with Go

Call = Callable[..., subprocess.CompletedProcess[str]]
KEY = "nvapi-a-key"
SMALL = {"FAKE_NIM_FILES": "3", "FAKE_NIM_FILE_MIB": "0.1"}


def models(cache: Path) -> dict[str, bytes]:
    """Files of all profiles, by path below the cache."""
    return {str(each.relative_to(cache)): each.read_bytes() for each in cache.rglob("*") if each.is_file()}


def test_a_download_fills_the_cache_once(call: Call, tmp_path: Path) -> None:
    cache = {"NIM_CACHE_PATH": str(tmp_path), **SMALL}
    first = call("fake-nim", "download-to-cache", **cache, NGC_API_KEY=KEY)
    assert first.returncode == 0
    assert "Downloaded 1 of 3 files, 104857 of 314571 bytes\n" in first.stdout
    assert KEY not in first.stdout + first.stderr
    before = models(tmp_path)
    assert [len(content) for content in before.values()] == [104857] * 3
    again = call("fake-nim", "download-to-cache", **cache)  # without a key
    assert (again.returncode, "is complete" in again.stdout) == (0, True)
    assert models(tmp_path) == before


@pytest.mark.parametrize("key", [None, "wrong-one"])
def test_a_download_needs_the_right_key(call: Call, tmp_path: Path, key: str | None) -> None:
    env = {"NIM_CACHE_PATH": str(tmp_path), "FAKE_NIM_EXPECT_KEY": KEY, **({"NGC_API_KEY": key} if key else {})}
    done = call("fake-nim", "download-to-cache", **env)
    assert done.returncode == 1
    assert "401 Unauthorized" in done.stderr
    assert KEY not in done.stderr
    assert "wrong-one" not in done.stderr
    assert models(tmp_path) == {}


@pytest.mark.parametrize("damage", ["absent", "short", "changed", "long"])
def test_a_damaged_file_is_downloaded_again(call: Call, tmp_path: Path, damage: str) -> None:
    env = {"NIM_CACHE_PATH": str(tmp_path), "NGC_API_KEY": KEY, **SMALL}
    call("fake-nim", "download-to-cache", **env)
    before = models(tmp_path)
    name = sorted(before)[1]
    damaged = {"short": before[name][:-1], "changed": b"x" + before[name][1:], "long": before[name] + b"x"}
    if damage == "absent":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(damaged[damage])
    assert "Downloaded" in call("fake-nim", "download-to-cache", **env).stdout
    assert models(tmp_path) == before


def test_a_full_volume_is_told_and_no_half_file_stays(call: Call, tmp_path: Path) -> None:
    env = {"NIM_ENGINE_MODEL_PATH": str(tmp_path), "NGC_API_KEY": KEY, **SMALL}
    (tmp_path / "model-00002-of-00003.safetensors.incomplete").symlink_to("/dev/full")
    done = call("fake-nim", "download-to-cache", **env)
    assert done.returncode == 1
    assert "model-00002-of-00003.safetensors" in done.stderr
    assert "no space left on device" in done.stderr
    assert list(models(tmp_path)) == ["model-00001-of-00003.safetensors"]


def test_profiles_are_chosen_and_stand_side_by_side(call: Call, folder: Path, tmp_path: Path) -> None:
    env = {"NIM_CACHE_PATH": str(tmp_path), "NGC_API_KEY": KEY, **SMALL}
    ids = [line.split()[1] for line in call("fake-nim", "list-model-profiles").stdout.splitlines()]
    assert [len(each) for each in ids] == [64] * 3
    # The operator runs the utility as a program of its own.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "download-to-cache").symlink_to(folder / "fake-nim")
    assert call(tmp_path / "bin" / "download-to-cache", "--profiles", *ids[1:], **env).returncode == 0
    hub = tmp_path / "ngc" / "hub" / "models--meta--llama-3.1-8b-instruct"
    assert {each.name for each in hub.iterdir()} == set(ids[1:])
    assert call("fake-nim", "download-to-cache", "--all", **env).returncode == 0
    assert {each.name for each in hub.iterdir()} == set(ids)
    unknown = call("fake-nim", "download-to-cache", "--profiles", "f" * 64, **env)
    assert (unknown.returncode, "no profile ffff" in unknown.stderr) == (1, True)


def test_a_native_image_downloads_by_itself(call: Call, tmp_path: Path) -> None:
    place = {"NIM_ENGINE_MODEL_PATH": str(tmp_path / "llama"), "NIM_ENGINE_MODEL_DOWNLOAD_ONLY": "1"}
    assert call("fake-nim", **place, NGC_API_KEY=KEY, **SMALL).returncode == 0
    assert len(models(tmp_path / "llama")) == 3


def test_a_model_store_is_made_where_it_is_wanted(call: Call, tmp_path: Path) -> None:
    arguments = ["create-model-store", "--profile", "vllm-bf16-tp2", "--model-store", str(tmp_path)]
    assert call("fake-nim", *arguments, NGC_API_KEY=KEY, **SMALL).returncode == 0
    assert len(models(tmp_path)) == 3


def test_it_is_live_first_and_ready_once_loaded(start: Start, tmp_path: Path) -> None:
    env = {"NIM_CACHE_PATH": str(tmp_path), "NGC_API_KEY": KEY, **SMALL}
    nim = start("fake-nim", **env, NIM_HTTP_API_PORT="{port}", FAKE_NIM_LOAD_SECONDS="3")
    nim.until("/v1/health/live", 200)
    assert nim.request("/v1/health/ready")[0] == 503
    assert nim.request("/v1/models")[0] == 503
    nim.until("/v1/health/ready", 200)
    assert len(models(tmp_path)) == 3
    nim.process.send_signal(signal.SIGTERM)
    assert nim.end()[0] == 0


def test_it_serves_from_a_full_cache_without_a_key(call: Call, start: Start, tmp_path: Path) -> None:
    env = {"NIM_CACHE_PATH": str(tmp_path), "NIM_MODEL_PROFILE": "vllm-bf16-tp2", **SMALL}
    call("fake-nim", "download-to-cache", **env, NGC_API_KEY=KEY)
    # NIM_SERVER_PORT wins over NIM_HTTP_API_PORT.
    nim = start("fake-nim", **env, NIM_SERVER_PORT="{port}", NIM_HTTP_API_PORT="1", NIM_SERVED_MODEL_NAME="mine")
    nim.until("/v1/health/ready", 200)
    assert json.loads(nim.request("/v1/models")[1])["data"][0]["id"] == "mine"
    metadata = json.loads(nim.request("/v1/metadata")[1])
    assert metadata["modelInfo"][0]["modelUrl"] == "ngc://nim/meta/llama-3.1-8b-instruct:vllm-bf16-tp2"
    request = {"model": "mine", "messages": [{"role": "user", "content": "hello"}]}
    status, body = nim.request("/v1/chat/completions", "POST", json.dumps(request).encode())
    assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "hello")
    wrong = json.dumps(request | {"model": "other"}).encode()
    assert nim.request("/v1/chat/completions", "POST", wrong)[0] == 400


def test_it_ends_when_it_may_not_download(start: Start, tmp_path: Path) -> None:
    code, output = start("fake-nim", NIM_CACHE_PATH=str(tmp_path), NIM_SERVER_PORT="{port}").end()
    assert code == 1
    assert "401 Unauthorized" in output


def test_a_download_takes_its_time(start: Start, tmp_path: Path) -> None:
    """So that a test can look at one under way; what there is survives its end, and nothing else looks complete."""
    env = {"NIM_CACHE_PATH": str(tmp_path), "NGC_API_KEY": KEY, **SMALL, "FAKE_NIM_FILE_SECONDS": "60"}
    nim = start("fake-nim", "download-to-cache", **env)
    assert wait_until(lambda: any(each.endswith("s") for each in models(tmp_path)), 15)  # .safetensors
    assert nim.process.poll() is None
    nim.process.send_signal(signal.SIGTERM)
    nim.end()
    assert [len(content) for content in models(tmp_path).values()] == [104857]
