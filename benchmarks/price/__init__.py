"""The price list: results of the sections, the record that keeps them, and the page that shows them."""
