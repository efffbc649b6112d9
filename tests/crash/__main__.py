"""`python -m tests.crash --kills 50`: the crash loop with as many kills as wanted."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crash.loop import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    given = parser.parse_args()
    print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="sprawl-crash-") as folder:
        findings = run(Path(folder) / "data", given.kills, given.seed, Path(folder) / "node.log")
        if findings.problems:
            print((Path(folder) / "node.log").read_text()[-5_000:])
    print(
        f"{findings.kills} kills, {findings.acknowledged} records acknowledged,"
        f" {findings.read} read back, offset {findings.commits} committed,"
        f" {len(findings.problems)} problems"
    )
    for problem in findings.problems[:50]:
        print(" ", problem)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    sys.exit(main())
