"""GMapiServer as a process, and its command."""
