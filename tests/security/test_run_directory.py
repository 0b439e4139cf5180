"""The run directory: nobody else reads it or reaches the sockets in it, by which a cluster is commanded."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import pytest

from tests.support.cluster import cluster_of
from trunkline.deploy.rundir import MAX_SOCKET_PATH_BYTES, RunDir
from trunkline.protocol.errors import ConfigError

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o1777, 0o701])
def test_a_directory_that_others_may_enter_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(ConfigError, match=f"chmod 700 {folder}"):
        RunDir(folder).make()

    assert list(folder.iterdir()) == []


def test_a_directory_within_it_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / ".run")
    run_dir.make()
    run_dir.log.chmod(0o755)

    with pytest.raises(ConfigError, match="is open to others"):
        run_dir.make()


def test_a_link_that_somebody_laid_where_the_sockets_go_is_not_followed(tmp_path: Path) -> None:
    deep = RunDir(tmp_path / ("d" * MAX_SOCKET_PATH_BYTES))
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    digest = hashlib.sha256(os.fsencode(deep.path)).hexdigest()[:12]
    assert deep.sockets == Path(tempfile.gettempdir()) / f"trunkline-{os.getuid()}-{digest}"
    deep.sockets.symlink_to(target)
    try:
        with pytest.raises(ConfigError, match="is a link"):
            deep.make()
    finally:
        deep.sockets.unlink()


def test_its_directories_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run_dir = RunDir(tmp_path / ".run")
        run_dir.make()
    finally:
        os.umask(before)

    for folder in (run_dir.path, run_dir.log, run_dir.redis, run_dir.retiring):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_everything_of_a_running_cluster_lies_in_directories_of_its_owner(tmp_path: Path) -> None:
    before = os.umask(0o002)  # as many systems have it: what is made may be written by the group
    try:
        async with cluster_of("examples.echo.routing", tmp_path / ".run", interfaces=1, workers=1) as cluster:
            folders = {
                cluster.run_dir.path,
                cluster.run_dir.sockets,
                cluster.run_dir.log,
                cluster.run_dir.redis,
            }
            assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in folders)
            assert stat.S_IMODE(cluster.run_dir.state_file.stat().st_mode) == 0o600
            assert stat.S_IMODE(cluster.run_dir.redis_socket.stat().st_mode) == 0o700
            assert [path for path in folders if path.stat().st_uid != os.getuid()] == []
    finally:
        os.umask(before)
