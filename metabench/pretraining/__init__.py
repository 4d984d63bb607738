"""Pre-training of networks on texts or pictures, before there is a task."""
