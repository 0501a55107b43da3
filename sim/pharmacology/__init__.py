"""What a dose becomes: drugs and how strongly they inhibit each receptor."""
