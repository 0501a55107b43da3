"""One run: from a scenario to its folder and its result."""
