"""Detectors: each looks at one outside system when it is polled, and says what it saw as signals."""
