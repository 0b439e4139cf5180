"""Configurations that are written for other people's servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.peers import centrifugo, nchan
from benchmarks.peers.pushpin import changed


def test_a_setting_of_an_ini_file_is_changed_and_the_rest_stays() -> None:
    text = "[a]\nport=1\n# port=2\nexport=3\n"
    assert changed(text, {"port": 9}) == "[a]\nport=9\n# port=2\nexport=3\n"


def test_a_setting_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="part"):
        changed("port=1\n", {"part": 9})


def test_what_is_put_in_is_taken_as_it_is() -> None:
    assert changed("folder=x\n", {"folder": r"\1"}) == "folder=\\1\n"


def test_nginx_has_one_worker_no_access_log_and_the_redis_it_is_given() -> None:
    text = nchan.configuration(Path("/folder"), Path("/module.so"), 8000, 6000)
    assert "worker_processes 1;" in text
    assert "access_log off;" in text
    assert "listen 127.0.0.1:8000 " in text
    assert "nchan_redis_server redis://127.0.0.1:6000;" in text


def test_centrifugo_calls_its_backend_and_sends_nothing_home() -> None:
    values = json.loads(centrifugo.configuration(8000, "http://127.0.0.1:9000", "unix:///redis.sock"))
    assert values["http_server"] == {"address": "127.0.0.1", "port": 8000}
    assert values["rpc"]["proxy"]["endpoint"] == "http://127.0.0.1:9000/rpc"
    assert values["engine"]["redis"]["address"] == ["unix:///redis.sock"]
    assert values["usage_stats"] == {"disabled": True}
