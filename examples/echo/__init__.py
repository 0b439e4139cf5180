"""The tutorial's first step: every frame comes back to whoever sent it."""
