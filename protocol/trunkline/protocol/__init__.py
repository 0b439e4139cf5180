"""What both tiers share: names, messages, codec, settings, and the channel layer's contract with its two layers.

Read in this order: ``names`` (what things are called), ``messages`` (what crosses the seam), ``codec`` (as bytes),
``layer`` (who carries it), then ``memory`` and ``redis_layer`` (how). Everything but the layers is pure.
"""
