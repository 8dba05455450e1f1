"""A FastAPI application that sends tasks, with the dashboard and a listener in the same process."""
