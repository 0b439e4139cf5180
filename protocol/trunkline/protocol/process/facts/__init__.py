"""Facts: what a running cluster is doing, gathered from its Redis and from the ``/metrics`` of its processes.

``trunkline top``, ``trunkline doctor`` and the dashboard page show the same facts, so they are gathered here, once.
`gatherer.Gatherer` asks; everything else is plain, frozen data and arithmetic on it:

``samples``    the exposition of one process at one moment
``processes``  a process: its lease, and what two looks at its samples tell (rates, CPU, lag)
``routes``     how often and how long handlers run, over all workers
``channels``   how much waits in a channel, and for how long
``servers``    a Redis: what it says about itself, its configuration, its clients
``machine``    settings of the kernel that this process sees
``cluster``    all of it: `Facts`
``hot``        which groups the mailboxes are full of
"""

from __future__ import annotations

from .channels import ChannelFacts
from .cluster import Facts
from .machine import MachineFacts
from .processes import ProcessFacts
from .routes import RouteFacts
from .servers import ServerFacts, SlowCommand

__all__ = [
    "ChannelFacts",
    "Facts",
    "MachineFacts",
    "ProcessFacts",
    "RouteFacts",
    "ServerFacts",
    "SlowCommand",
]
