"""The interface tier: it holds the sockets, knows no routes and runs no user code.

Read in this order: ``flow`` (when an event of a connection may leave), ``reader`` and ``frames`` (bytes of a
WebSocket to messages and back), ``connection`` (one open socket), ``upgrade``, ``handshake`` and ``entrance`` (how it
came to be open), ``exchange`` (a plain HTTP request), ``publisher`` (out to the workers, when ``linger`` says) and
``mailbox`` (back from them), ``lone_text`` and ``text_releases`` (the short ways of nearly all messages), ``tenure``
(all that one lease holds), ``server`` (listening, drain, starting over), ``cli``.
"""
