"""Detectors against fakes of what they look at."""
