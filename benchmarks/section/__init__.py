"""The sections of the price list, in the order of the page."""
