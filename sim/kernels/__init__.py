"""What every kernel needs: compiling with a cache, and counted draws."""
