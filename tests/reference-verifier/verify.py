#!/usr/bin/env python3
"""Verifies a Totebox disk without Totebox: docs/auditor.md, "Verify without this software".

    verify.py IMAGE [--checkpoint FILE]... [--key FILE]... [--json]

Written from docs/ledger-format.md alone. Exit code 0: nothing is wrong; 1: something was found; 2: it could not
run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict

import partitions
import volume
from findings import Finding, VolumeReport, as_lines
from image import Image
from pinned import Pinned, Unbelievable, read_pinned
from partitions import NoDisk


def verify(path: str, pinned: Pinned) -> tuple[list[Finding], list[VolumeReport]]:
    """The findings about the disk as a whole, and each volume's report."""
    with open(path, "rb") as file:
        disk = Image(file, 0, file.seek(0, os.SEEK_END))
        findings, found = partitions.read(disk)
        taken: set[str] = set()
        reports = [volume.verify(disk, partition, pinned, taken) for partition in found]
    findings += pinned.missing({report.origin for report in reports if report.origin is not None})
    return findings, reports


def _as_json(findings: list[Finding], reports: list[VolumeReport]) -> str:
    listed = findings + [finding for report in reports for finding in report.listed]
    return json.dumps(
        {
            "clean": not listed,
            "findings": [asdict(finding) for finding in listed],
            "volumes": [report.summary() for report in reports],
        }
    )


def _as_text(findings: list[Finding], reports: list[VolumeReport]) -> str:
    listed = findings + [finding for report in reports for finding in report.listed]
    return "\n".join([*as_lines(listed), *map(str, reports)])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Verifies a Totebox disk without Totebox.")
    parser.add_argument("image", help="the disk, or an image of it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint that was pinned elsewhere, or a folder of them"
    )
    parser.add_argument(
        "--key", action="append", default=[], metavar="FILE", help="archives' public keys, one a line"
    )
    arguments = parser.parse_args()
    try:
        findings, reports = verify(arguments.image, read_pinned(arguments.checkpoint, arguments.key))
    except NoDisk as error:
        print(f"verify.py: {arguments.image}: {error}", file=sys.stderr)
        return 2
    except (OSError, Unbelievable) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    print((_as_json if arguments.json else _as_text)(findings, reports))
    return 1 if findings or any(report.findings for report in reports) else 0


if __name__ == "__main__":
    # A reader that has gone (`| head`) ends it, as it does every other program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
