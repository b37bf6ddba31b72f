"""`python -m strideport`: what is installed here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from strideport import __version__
from strideport._config import config, text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m strideport", description="memoryview, for every device")
    parser.add_argument("--version", action="version", version=f"strideport {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    info = commands.add_parser("info", help="versions, devices and the frameworks found; imports none of them")
    info.add_argument("--json", action="store_true", help="as one JSON object")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status."""
    options = _parser().parse_args(arguments)
    print(json.dumps(config(), indent=2) if options.json else text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
