"""The job table, its lease and fence, the queue, the worker and the reaper."""
