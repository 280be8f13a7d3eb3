"""The console: every page that people see. It reads through frozen dataclasses and writes through operations."""
