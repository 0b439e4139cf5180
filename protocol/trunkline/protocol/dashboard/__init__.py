"""The read-only page that a process's admin server shows to people.

Read `page` first: the routes. `broadcast` looks at the cluster while somebody watches, and hands what it found to all
who do as the `events` of a stream; `shown` chooses what of the facts that is; `guard` says which requests may see it;
`files` holds what a browser loads, from ``static/``. It is in `protocol` for the same reason as the admin server: both
tiers have one.

It re-exports nothing: ``page`` brings aiohttp, and who needs it imports it by name.
"""
