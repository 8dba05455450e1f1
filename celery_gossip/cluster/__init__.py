"""The view of a listener on all workers: state, queues and throughput. Pure: time is passed in."""
