"""Exploits of "ffmpeg over HTTP with foreign arguments and foreign media", made harmless.

`catalogue` lists them; each is run against traps (`traps`) that a test lays itself: secret files
that nobody may open, a folder that nothing may be written to, loopback listeners that nobody may
reach. `runs` starts ffmpeg with as many or as few protections as a test wants. The letters of the
ids: R reading, W writing, X running code, N network, M media that name other files or addresses,
D denial of service.
"""
