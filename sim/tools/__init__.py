"""Tools beside the simulation: what is installed here, what a parameter means."""
