"""Films of runs: what is on a frame, and how frames become a file."""
