"""What an experiment is: the scenario's schema, how files become scenarios."""
