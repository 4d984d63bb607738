"""Files: what is read, downloaded and kept."""
