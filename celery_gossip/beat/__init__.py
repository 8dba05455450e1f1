"""The part of the package that runs inside beat: observes its scheduler and reports its schedule."""
