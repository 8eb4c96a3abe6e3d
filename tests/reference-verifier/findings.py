"""What a verification says: findings, and what each volume holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

LISTED_MAX = 10_000  # findings listed of one volume


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where."""

    volume: str | None
    kind: str
    area: str | None = None
    block: int | None = None
    record: int | None = None

    def text(self, last: int | None) -> str:
        """In words, for the blocks up to the last of those that follow each other."""
        blocks = f"block {self.block}" if self.block == last else f"blocks {self.block} to {last}"
        where = [] if self.block is None else [f"{self.area} {blocks}"]
        where += [] if self.record is None else [f"record {self.record}"]
        return f"{self.volume or 'disk'}: {self.kind}" + (f": {', '.join(where)}" if where else "")

    def goes_on_in(self, following: Finding, last: int | None) -> bool:
        """Whether another says the same of the block behind the last."""
        return last is not None and following == replace(self, block=last + 1)


def as_lines(findings: list[Finding]) -> list[str]:
    """A line for each finding; one for those that say the same of one block after the other."""
    lines: list[tuple[Finding, int | None]] = []
    for finding in findings:
        if lines and lines[-1][0].goes_on_in(finding, lines[-1][1]):
            lines[-1] = (lines[-1][0], finding.block)
        else:
            lines.append((finding, finding.block))
    return [finding.text(last) for finding, last in lines]


_OWN = ("origin", "unreadable", "listed")  # fields of a report that are not in JSON


@dataclass
class VolumeReport:
    """What one volume holds, as far as it could be read; the fields are those of docs/disk.md, "JSON"."""

    name: str
    id: str
    offset: int
    found_by: str
    findings: int = 0
    batches: int = 0
    records: int = 0
    documents: int = 0
    content_bytes: int = 0
    sealed: bool = False
    head: str = ""
    root: str = ""
    unacknowledged: int | None = None
    signatures: int | None = None  # good ones on its checkpoints, if there is a key for it
    origin: str | None = None  # whose checkpoints its own are
    unreadable: set[tuple[str, int]] = field(default_factory=set)
    listed: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = {0: "clean", 1: "1 finding"}.get(self.findings, f"{self.findings} findings")
        counts = f"records {self.records}, documents {self.documents}, content {self.content_bytes} bytes"
        sealed = ", sealed" if self.sealed else ""
        root = "" if self.findings else f", root {self.root}"
        signatures = "" if self.signatures is None else f", good signatures {self.signatures}"
        return f"{self.name}: {verdict}; {counts}{sealed}{root}{signatures}"

    def summary(self) -> dict[str, object]:
        """The fields of the volume in JSON."""
        return {key: value for key, value in asdict(self).items() if key not in _OWN}

    def add(self, kind: str, area: str, block: int, record: int | None = None) -> None:
        """One more finding."""
        self.findings += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Finding(self.name, kind, area, block, record))

    def add_unreadable(self, area: str, block: int, record: int | None) -> None:
        """A block that cannot be read: a finding, but only the first time."""
        if (area, block) not in self.unreadable:
            self.unreadable.add((area, block))
            self.add("unreadable", area, block, record)
