"""What a message costs, measured beside other servers. ``python -m benchmarks`` runs the suite.

::

    __main__, settings         the command
    suite, turns, workload(s), limits  what is run, in which order, how often, and what it may cost
    peer, dialect              what the suite knows of a system: the contract
    systems, peers/, store     Trunkline and the floor, other people's servers, and everybody's Redis
    processes, quota           servers as processes, each on a core, or held to a part of one
    shards, standing, redis_memory  commands of their own: several Redises, ten minutes, what Redis keeps
    driver, spec, findings     a generator is run: a spec in, a report out
    generator                  the load, in a process of its own:
      steady, idle, connecting, storm, overload  one course of a run each
      closed, paced, fan_out     one kind of steady load each
      client, opening, crowd     sockets
      ring, speech, wire, tally  messages, dialects, frames, counts
      sample, meters, redis_calls, syscalls, ticker  what is counted, and the clock
    outcome, figures, rules    what runs come to; which do not count
    results, report, tables, text, plot, machine  the tables and the plot
    floor, routing             what is measured: a bare aiohttp server, and the handlers of a worker
"""
