"""Pictures of what a lab measured."""
