"""Runs checkov on the program, and writes its findings and the verdicts of docs/security.md: `make security`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.support.components.packages import small_packages
from tests.support.security import checkov, page
from tests.support.security.programs import record

with tempfile.TemporaryDirectory() as folder, small_packages(Path(folder)):
    recordings = record()
findings = checkov.scan(Path(sys.argv[1]), recordings)
checkov.FINDINGS.write_text(json.dumps(findings, indent=1) + "\n")
page.PAGE.write_text(page.refresh(page.PAGE.read_text(), page.derive(recordings, checkov.load(findings))))
