"""Flower 2.2 and the dashboard beside each other: the same questions, on the same workers, in the same browser."""
