"""What a study's table shows: dose-responses, combinations, sensitivity."""
