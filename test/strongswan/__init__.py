"""The real swanctl and the real charon, asked what they make of the library's text."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "assets"))
