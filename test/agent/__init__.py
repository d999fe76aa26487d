"""Tests of what runs on the box in Python: clients, the state machine, the loop."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "assets"))
