"""The part of the package that runs inside the worker process: reads the worker, counts its tasks, sends both."""
