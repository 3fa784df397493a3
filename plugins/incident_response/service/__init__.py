"""Use cases: each opens one transaction, applies domain commands, and returns what was decided and why."""
