"""The API as models: TenysonJob's spec and status, and the runtimes."""
