"""Sources: what `include/policy/detectors.yaml` says of each outside system, validated and frozen.

One file per kind. A detector is given its source; neither knows the file.
"""
