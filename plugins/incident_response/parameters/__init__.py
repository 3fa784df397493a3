"""Parameters of actions: what a step of a runbook may say under `with`, validated and frozen.

One file per family. The library reads files with them, actions are given them; neither knows the other.
"""
