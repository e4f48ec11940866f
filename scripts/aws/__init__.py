"""AWS's API: its clients, and the two kinds of bucket that operations write to."""
