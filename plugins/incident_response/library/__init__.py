"""include/: runbooks, policy and templates — found, read, validated, and never trusted to be right."""
