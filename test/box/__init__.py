"""Tests of what runs on the box, except the failover agent (test/agent)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "assets"))
