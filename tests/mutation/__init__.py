"""Whether the tests would notice: small mistakes are put into the pure rooms, one at a time. See docs/mutation.md."""
