#!/usr/bin/env python3
"""Checks a proof without Totebox: docs/auditor.md, "Verify without this software".

    check_proof.py PROOF --key FILE... [--content FILE]     that a record is under a checkpoint
    check_proof.py PROOF --key FILE... --from FILE          that a checkpoint extends the earlier one

Exit code 0: proved; 1: it proves nothing, or the content is another; 2: it could not run.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import proof
from hashes import ContentHashes
from pinned import Unbelievable, believed, read_keys
from note import BadNote
from proof import BadProof, Inclusion, ProvesNothing


def _check(arguments: argparse.Namespace) -> int:
    keys = read_keys(arguments.key)
    # Whoever pinned the earlier checkpoint believes it.
    earlier = None if arguments.earlier is None else believed(Path(arguments.earlier).read_bytes(), None)
    proved = proof.check(Path(arguments.proof).read_bytes(), keys, earlier)
    log, size = proved.checkpoint.origin, proved.checkpoint.size
    if not isinstance(proved, Inclusion):
        print(f"proved: the first {proved.old.size} records of {log} are as they were; now it has {size}")
        return 0
    record = proved.record
    print(f"proved: record {record.sequence} of {log}")
    if arguments.content is None:
        return 0
    data = Path(arguments.content).read_bytes()
    content = record.document.content if record.document is not None else None
    same = content is not None and (content.size, content.hashes) == (len(data), ContentHashes.of(data))
    print(f"{arguments.content} is {'its' if same else 'not its'} content")
    return 0 if same else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Checks a proof without Totebox.")
    parser.add_argument("proof")
    parser.add_argument("--key", action="append", required=True, metavar="FILE", help="archives' public keys")
    about = parser.add_mutually_exclusive_group()
    about.add_argument("--content", metavar="FILE", help="what must be the content of the record")
    about.add_argument("--from", dest="earlier", metavar="FILE", help="the earlier checkpoint")
    arguments = parser.parse_args()
    try:
        return _check(arguments)
    except ProvesNothing as error:
        print(f"{arguments.proof} proves nothing: {error}")
        return 1
    except (OSError, BadNote, BadProof, Unbelievable) as error:
        print(f"check_proof.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    # A reader that has gone (`| head`) ends it, as it does every other program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
