"""`python -m tests.overlay PART --help`: the first word says which part."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

PARTS = ("dht", "membership", "placement")


def main() -> int:
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if part not in PARTS:
        print(f"usage: python -m tests.overlay {{{','.join(PARTS)}}} ...", file=sys.stderr)
        return 2
    code: int = importlib.import_module(f"overlay.{part}").main(sys.argv[2:])
    return code


if __name__ == "__main__":
    sys.exit(main())
