"""Our blocks, their plain forms and other people's blocks, side by side: bytes and time.

`make bench` runs it; README.md here says what it writes.
"""
