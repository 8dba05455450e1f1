"""Adds the step Celery's own way, for the project that imports this under GOSSIP_TEST_IMPORT."""

from celery_gossip import GossipStep
from tests.support.project import app

app.steps["consumer"].add(GossipStep)
