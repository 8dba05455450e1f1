"""Output of the commands `status` and `watch`."""
