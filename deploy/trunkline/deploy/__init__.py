"""The deploy tier: the ``trunkline`` command. It may use the other tiers; nothing imports it.

``cli`` has the table of verbs, each verb is a module of its own name (``up``, ``scale``, ``dev``, …), ``settings``
declares what they take, ``failures`` is how they say that something cannot be. ``rundir`` is what a cluster leaves on
disk, ``supervisor`` speaks with circus, and ``circus_hooks``, ``log_stream`` and ``restarts`` run inside circus.
``redis_server`` finds a Redis.
"""
