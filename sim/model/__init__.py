"""The model: one readable step, its parts, and the agents that look at it."""
