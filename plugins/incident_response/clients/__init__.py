"""Clients of outside systems, shared by detectors and actions. They know connections, and no incidents."""
