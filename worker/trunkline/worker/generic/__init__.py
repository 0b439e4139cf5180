"""Consumers: handlers as classes, in the shape of Channels 1.x."""
