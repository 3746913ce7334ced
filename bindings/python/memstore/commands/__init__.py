# SPDX-License-Identifier: Apache-2.0
"""The commands of ``python -m memstore``: each a module of this package, which is all that it takes to add one.

Such a module has a docstring, whose first line is the help, ``add_arguments(parser)`` and ``run(options)``, which gives the
exit code. Modules whose names begin with ``_`` are not commands.
"""
