"""What a verification says: findings, and what each volume holds."""

from __future__ import annotations

from dataclasses import dataclass, field

LISTED_MAX = 10_000  # findings listed of one volume


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where."""

    volume: str | None
    kind: str
    area: str | None = None
    block: int | None = None
    record: int | None = None

    def __str__(self) -> str:
        where = [] if self.block is None else [f"{self.area} block {self.block}"]
        where += [] if self.record is None else [f"record {self.record}"]
        return f"{self.volume or 'disk'}: {self.kind}" + (f": {', '.join(where)}" if where else "")


@dataclass
class VolumeReport:
    """What one volume holds, as far as it could be read."""

    name: str
    id: str
    findings: int = 0
    runs: int = 0
    records: int = 0
    documents: int = 0
    content_bytes: int = 0
    sealed: bool = False
    head: str | None = None
    root: str | None = None
    unacknowledged: bool = False
    listed: list[Finding] = field(default_factory=list)

    def add(self, kind: str, area: str, block: int, record: int | None = None) -> None:
        """One more finding."""
        self.findings += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Finding(self.name, kind, area, block, record))
