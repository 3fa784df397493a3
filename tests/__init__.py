"""The tests, and in `support` what the demo and the bench share with them."""
