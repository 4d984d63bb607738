"""Tasks of texts as text and as pages."""
