"""What a person needs before starting: looked at, judged, and said with its remedy."""
