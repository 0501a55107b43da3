"""Drawing results, and showing progress."""
