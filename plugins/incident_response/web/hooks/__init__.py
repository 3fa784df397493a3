"""Webhooks: signals that are pushed. Apps of their own beside the page: tokens open them, no login does."""
