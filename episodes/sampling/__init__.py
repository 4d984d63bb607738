"""From banks to episodes."""
