"""Messages on the wire: their format, limits and signatures. Pure: imports neither Celery nor a broker."""
