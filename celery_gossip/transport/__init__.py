"""Connections to brokers: publishing, subscribing, and reading queue lengths.

Only this package imports Kombu, py-amqp and redis-py.
"""
