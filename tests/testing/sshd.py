"""Run sshd with its own host key, one user key and a free port."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.testing.servers import free_port, wait_for_port

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Sshd(NamedTuple):
    """The port, host key and process of a running sshd."""

    port: int
    host_key: str
    process: subprocess.Popen[bytes]

    @property
    def known(self) -> str:
        """Return the line for known_hosts."""

        return f"[127.0.0.1]:{self.port} {self.host_key}\n"

    def address(self, folder: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{folder}"


@contextmanager
def sshd(folder: Path, user_key: Path, *settings: str) -> Iterator[Sshd]:
    """Run an sshd that accepts `user_key`, which is created; `settings` as in sshd_config."""

    assert SSHD
    (folder / "home").mkdir(parents=True)  # where SFTP sessions start
    for key in (folder / "host", user_key):
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key), check=True)
    shutil.copy(f"{user_key}.pub", folder / "authorized")
    port = free_port()
    # a folder that links to `folder`: internal-sftp splits its arguments at spaces
    plain = Path(tempfile.mkdtemp(prefix="sshd-", dir="/tmp"))
    (plain / "home").symlink_to(folder / "home")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd requires it
    (folder / "config").write_text(
        f'ListenAddress 127.0.0.1:{port}\nHostKey "{folder}/host"\nPidFile none\n'
        f'AuthorizedKeysFile "{folder}/authorized"\nStrictModes no\nPasswordAuthentication no\n'
        f"PermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp -d {plain / 'home'}\n"
        + "".join(f"{setting}\n" for setting in settings)
    )
    arguments = (SSHD, "-D", "-e", "-f", str(folder / "config"))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(arguments, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port, process, folder / "log")
        yield Sshd(port, " ".join((folder / "host.pub").read_text().split()[:2]), process)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(plain)
