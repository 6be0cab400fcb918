"""The wheel of the repository, built as `make wheel` does, without the network."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.processes import ROOT

UV = Path(sys.executable).with_name("uv")


def build(folder: Path) -> Path:
    """Build the source archive into `folder`, and from it the wheel; return the wheel."""
    words = ("--quiet", "--offline", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    subprocess.run([UV, "build", *words], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Put a wheel's files where pip would, for a process that has `folder` as its PYTHONPATH."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
