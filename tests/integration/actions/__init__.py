"""Actions on real systems."""
