"""Clients of outside systems, shared by detectors and actions: they know connections, nothing of incidents."""
