"""What the steps of runbooks do: one family per file, each action with its parameters in `parameters`."""
