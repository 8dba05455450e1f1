"""Rules that find problems in a fleet from the state of the cluster. Pure: time is passed in."""
