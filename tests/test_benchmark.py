"""The benchmark counts what it should, and the room is as fast as it says, on a small scale."""
