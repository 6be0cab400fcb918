"""Run all benchmarks, or the named ones; exit 1 where one misses its limit (`make bench`)."""

import sys
from collections.abc import Callable

from bench import (
    answers,
    checker,
    console,
    corpus,
    external,
    factors,
    hostile,
    imports,
    lookup,
    mail,
    mixed_hashes,
    pages,
    passwords,
    peer_server,
    readiness,
    requests,
    required,
    reset_files,
    rush,
    schedule,
    sign_ins,
    timing,
    uploads,
)
from bench.measure import Result

BENCHMARKS: dict[str, Callable[[], list[Result]]] = {
    "pages": pages.run,
    "requests": requests.run,
    "server": peer_server.run,
    "timing": timing.run,
    "mixed-hashes": mixed_hashes.run,
    "factors": factors.run,
    "external": external.run,
    "imports": imports.run,
    "lookup": lookup.run,
    "mail": mail.run,
    "answers": answers.run,
    "checker": checker.run,
    "hostile": hostile.run,
    "passwords": passwords.run,
    "corpus": corpus.run,
    "reset files": reset_files.run,
    "schedule": schedule.run,
    "rush": rush.run,
    "sign-ins": sign_ins.run,
    "readiness": readiness.run,
    "required resets": required.run,
    "uploads": uploads.run,
    "console": console.run,
}


def main(names: list[str]) -> int:
    """Run the benchmarks; return 1 where one misses its limit, 2 for an unknown name."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"Unknown benchmark: {', '.join(sorted(unknown))}. Known: {', '.join(BENCHMARKS)}.")
        return 2
    missed = 0
    for name in names or BENCHMARKS:
        for result in BENCHMARKS[name]():
            print(result.line(), flush=True)
            missed += not result.passed
    return 1 if missed else 0


sys.exit(main(sys.argv[1:]))
