"""Dashboards, rules and the collector's configuration, written as values and made into files.

`metrics` names what is shown, `queries` asks for it, `panels` is the look; a module for each dashboard. What is built
is committed in `observability/` and read from there: only the build needs the extra `dashboards`.
"""
