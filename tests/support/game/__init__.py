"""The small game computer that tests run Lua programs in."""
