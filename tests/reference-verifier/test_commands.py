"""What the commands do with what they are given, and with a reader that has gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from pinned import Unbelievable, read_pinned

CHECKPOINT = "a/log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— a/log AAAAAAAA\n".encode()
HERE = Path(__file__).parent


class Commands(unittest.TestCase):
    """How they are called."""

    def test_a_reader_that_has_gone_ends_them_quietly(self) -> None:
        for command in ("verify.py", "check_proof.py"):
            with subprocess.Popen(["head", "-c0"], stdin=subprocess.PIPE) as gone:
                gone.wait()
                ended = subprocess.run(
                    [sys.executable, "-B", HERE / command, "--help"],
                    stdout=gone.stdin,
                    stderr=subprocess.PIPE,
                    check=False,
                )
            self.assertEqual((ended.returncode, ended.stderr), (-signal.SIGPIPE, b""))

    def test_a_folder_stands_for_the_checkpoints_in_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertRaises(Unbelievable, read_pinned, [folder], [])
            for name in ("a.checkpoint", "b.checkpoint", "a.vkey"):
                Path(folder, name).write_bytes(CHECKPOINT)
            self.assertEqual(len(read_pinned([folder], []).checkpoints), 2)


if __name__ == "__main__":
    unittest.main()
