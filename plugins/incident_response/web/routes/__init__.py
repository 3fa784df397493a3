"""Routes, one file per concern. Every one of them stands behind the app's own auth dependency."""
