"""What a lab measured: tables, plates, samples and pictures of a user."""
