"""HTTP/1.1 at the callback level, both sides: what a stream's bytes pass through.

`inbound` answers clients, `upstream` calls providers; both parse with llhttp (through httptools) and move
body bytes from one transport to the other without a task woken, or a buffer copied, per chunk.
"""
