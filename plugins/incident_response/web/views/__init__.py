"""What a page shows, computed from the domain: plain records, no HTML."""
