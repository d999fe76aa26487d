"""The real swanctl and the real charon, asked what they make of the library's text."""
