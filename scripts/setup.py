"""Makes .venv ready: `setup.py run` for the portal alone, `demo` and `dev` for more.

Quick where nothing changed: what was installed is remembered by the hash of its lock file.
"""

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
# The lock files of each level. Those of development include all others, at the same versions.
LEVELS = {"run": ("run", "build"), "demo": ("run", "build", "demo"), "dev": ("dev",)}


def main(level: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once must not install into each other
        make_venv()
        install_lock(level)
        install_portal()
        compile_translations()


def make_venv() -> None:
    # Moved, or made by another Python, it would name places that are gone.
    place = f"{VENV} {sys.version_info.major}.{sys.version_info.minor}"
    if (BIN / "python").exists() and remembers("place", place):
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            "Python's venv is missing. On Debian and Ubuntu: apt-get install python3-venv "
            f"(or python{version}-venv for this Python {version})."
        )
    say("Making .venv")
    run(sys.executable, "-m", "venv", "--clear", VENV)
    remember("place", place)


def install_lock(level: str) -> None:
    missing = [name for name in LEVELS[level] if not remembers(name, digest(lock_file(name)))]
    if not missing or remembers("dev", digest(lock_file("dev"))):
        return
    files = [word for name in missing for word in ("-r", lock_file(name))]
    say(f"Installing {' and '.join(f'requirements/{name}.txt' for name in missing)}")
    run(BIN / "python", "-m", "pip", "install", "--quiet", "--require-hashes", *files)
    for name in missing:
        remember(name, digest(lock_file(name)))


def install_portal() -> None:
    described = digest(ROOT / "pyproject.toml")
    if remembers("portal", described):
        return
    say("Installing the portal")
    # What building a wheel left here is found before what is installed, for a command that starts here.
    shutil.rmtree(ROOT / "portal.egg-info", ignore_errors=True)
    pip = (
        BIN / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    )
    run(*pip, "--editable", ROOT)
    remember("portal", described)


def compile_translations() -> None:
    translations = ROOT / "portal" / "translations"
    for compiled in translations.glob("*/LC_MESSAGES/*.mo"):
        if not compiled.with_suffix(".po").exists():
            compiled.unlink()  # it would still be looked up
    for source in sorted(translations.glob("*/LC_MESSAGES/*.po")):
        compiled = source.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            say(f"Compiling {source.relative_to(ROOT)}")
            run(BIN / "pybabel", "--quiet", "compile", "-i", source, "-o", compiled)


def lock_file(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def remembers(name: str, what: str) -> bool:
    stamp = VENV / f".installed-{name}"
    return stamp.is_file() and stamp.read_text() == what


def remember(name: str, what: str) -> None:
    (VENV / f".installed-{name}").write_text(what)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    finished = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{finished.stdout}{finished.stderr}\nThis failed: {' '.join(words)}")


STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:4.0f} s] {text}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] not in ([level] for level in LEVELS):
        sys.exit(f"usage: setup.py {' | '.join(LEVELS)}")
    main(sys.argv[1])
