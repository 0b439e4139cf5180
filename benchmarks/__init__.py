"""The speed figures of the README, measured. ``python -m benchmarks`` runs the suite.

::

    __main__, settings      the command
    suite, workloads        what is run, in which order, how often
    systems, processes      Trunkline and its floor as processes, each on a core
    generator               the load, in a process of its own:
      closed, paced, fan_out  one kind of load each
      client, wire, ticker    sockets, frames, clock
    spec                    what suite and generator tell each other
    meters                  CPU and memory of the servers, as the kernel counts them
    figures, rules          medians, ratios; which runs do not count
    report, machine         the tables
    floor, routing          what is measured: a bare aiohttp server, and the handlers of a worker
"""
