"""What every long-running process shares: metrics, the admin server, the runner with its signals, logging.

It re-exports nothing: ``metrics`` brings prometheus_client and ``admin`` brings aiohttp, and who needs one of
them imports it by name.
"""
