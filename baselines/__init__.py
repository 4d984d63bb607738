"""The learners that ship with metabench, one file each; the file's name is the registered name."""
