#!/usr/bin/env python3
"""Verifies a Totebox disk without Totebox.

    verify.py IMAGE [--json]

Written from docs/ledger-format.md alone; needs Python 3.11 and the package blake3. Exit code 0: nothing is
wrong; 1: something was found; 2: it could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict

import partitions
import volume
from findings import Finding, VolumeReport
from image import Image
from partitions import SECTOR, Partition


class NoDisk(Exception):
    """Nothing of a Totebox disk was found."""


def verify(path: str) -> tuple[list[Finding], list[VolumeReport]]:
    """The findings about the disk as a whole, and each volume's report."""
    with open(path, "rb") as file:
        disk = Image(file, 0, file.seek(0, os.SEEK_END))
        findings, found = _volumes(disk)
        return findings, [volume.verify(disk, partition) for partition in found]


def _volumes(disk: Image) -> tuple[list[Finding], list[Partition]]:
    copies = [partitions.read(disk, 1), partitions.read(disk, disk.size // SECTOR - 1)]
    sound = [copy for copy in copies if copy is not None]
    if not sound:
        raise NoDisk("neither copy of the partition table can be read")
    findings = [Finding(None, "partition-table")] if copies[0] != copies[1] else []
    return findings, sound[0]


def _as_json(findings: list[Finding], reports: list[VolumeReport]) -> str:
    volumes = [{key: value for key, value in asdict(report).items() if key != "listed"} for report in reports]
    listed = findings + [finding for report in reports for finding in report.listed]
    return json.dumps({"clean": not listed, "findings": [asdict(finding) for finding in listed], "volumes": volumes})


def _as_text(findings: list[Finding], reports: list[VolumeReport]) -> str:
    lines = [str(finding) for finding in findings]
    for report in reports:
        lines += [str(finding) for finding in report.listed]
        verdict = f"{report.findings} findings" if report.findings else "clean"
        counts = f"records {report.records}, documents {report.documents}, content {report.content_bytes} bytes"
        lines.append(f"{report.name}: {verdict}; {counts}, root {report.root}")
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Verifies a Totebox disk without Totebox.")
    parser.add_argument("image", help="the disk, or an image of it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        findings, reports = verify(arguments.image)
    except (OSError, NoDisk) as error:
        print(f"verify.py: {arguments.image}: {error}", file=sys.stderr)
        return 2
    print((_as_json if arguments.json else _as_text)(findings, reports))
    return 1 if findings or any(report.findings for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
